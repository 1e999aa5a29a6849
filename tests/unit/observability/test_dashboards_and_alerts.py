from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from aragora.observability.metrics import METRICS, Kind, Metric
from aragora.observability.samples import bucket_label

DEPLOY = Path(__file__).parents[3] / "deploy"
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
ALERTS: dict[str, Any] = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))
RULES: list[dict[str, Any]] = [rule for group in ALERTS["groups"] for rule in group["rules"]]
RECORDED = {rule["record"] for rule in RULES if "record" in rule}

SUFFIXES = {Kind.HISTOGRAM: ("_bucket", "_sum", "_count"), Kind.COUNTER: ("",), Kind.GAUGE: ("",)}
SAMPLES: dict[str, Metric] = {
    name + suffix: metric
    for metric in METRICS
    for name in (metric.name, *metric.aliases)
    for suffix in SUFFIXES[metric.kind]
}
USE = re.compile(r"((?:aragora|ray)_\w+|\bup\b|\bscrape_\w+)(?:\{([^}]*)\})?")
# What Prometheus and Ray say of each node, with the labels that deploy/prometheus gives them.
OF_NODES = {
    *("up", "scrape_duration_seconds"),
    *("ray_node_cpu_utilization", "ray_node_mem_used", "ray_node_mem_total", "ray_node_disk_utilization_percentage"),
    *("ray_node_network_receive_speed", "ray_node_network_send_speed"),
}
NODE_LABELS = {"job", "instance", "role"}
JOBS = {"aragora", "aragora-nodes", "ray"}
GROUPING = re.compile(r"by \(([^)]*)\)")


def panels_of(dashboard: Path) -> Iterator[dict[str, Any]]:
    yield from json.loads(dashboard.read_text(encoding="utf-8"))["panels"]


def expressions() -> Iterator[tuple[str, str]]:
    for dashboard in DASHBOARDS:
        for panel in panels_of(dashboard):
            for target in panel.get("targets", ()):
                yield f"{dashboard.stem}: {panel['title']}", target["expr"]
    for rule in RULES:
        yield str(rule.get("alert") or rule.get("record")), rule["expr"]


EXPRESSIONS = list(expressions())
EACH = pytest.mark.parametrize("expression", [text for _, text in EXPRESSIONS], ids=[name for name, _ in EXPRESSIONS])


@EACH
def test_every_metric_that_is_used_is_declared(expression: str) -> None:
    uses = USE.findall(expression)
    assert uses
    for name, matchers in uses:
        if name in RECORDED:
            continue
        if name in OF_NODES:
            assert re.fullmatch(r'job="(.*)"', matchers)[1] in JOBS  # type: ignore[index]
            continue
        labels = {*SAMPLES[name].labels, "le"}
        assert {matcher.split("=")[0].rstrip("!~") for matcher in matchers.split(",") if matcher} <= labels
        for bound in re.findall(r'le="([^"]*)"', matchers):
            assert bound in {bucket_label(one) for one in SAMPLES[name].buckets}


@EACH
def test_every_label_that_is_grouped_by_is_one_of_a_metric_used(expression: str) -> None:
    known = {"le"}
    for name, _ in USE.findall(expression):
        if name in OF_NODES:
            known |= NODE_LABELS
        else:
            known |= {"agent", "operation"} if name in RECORDED else set(SAMPLES[name].labels)
    for labels in GROUPING.findall(expression):
        assert {label.strip() for label in labels.split(",")} <= known


@EACH
def test_parentheses_pair_up(expression: str) -> None:
    depth = 0
    for character in expression:
        depth += {"(": 1, ")": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_have_ids_of_their_own_and_do_not_overlap(dashboard: Path) -> None:
    panels = list(panels_of(dashboard))
    assert len({panel["id"] for panel in panels}) == len(panels) > 5
    places = [panel["gridPos"] for panel in panels]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, f"{one} overlaps {other}"


def test_the_dashboards_of_the_runbook_are_there() -> None:
    runbook = {"agent-performance", "api-latency", "debate-metrics", "slo-tracking"}
    assert {path.stem for path in DASHBOARDS} == runbook | {"nodes"}
    assert len({json.loads(path.read_text(encoding="utf-8"))["uid"] for path in DASHBOARDS}) == len(DASHBOARDS)


@pytest.mark.parametrize("beginning", ["aragora_webhook_", "aragora_km_"])
def test_every_metric_of_webhooks_and_of_knowledge_has_a_panel(beginning: str) -> None:
    shown = {name for dashboard in DASHBOARDS for panel in panels_of(dashboard) for name in _used_in(panel)}
    assert {metric.name for metric in METRICS if metric.name.startswith(beginning)} <= shown


def _used_in(panel: dict[str, Any]) -> Iterator[str]:
    for target in panel.get("targets", ()):
        yield from (SAMPLES[name].name for name, _ in USE.findall(target["expr"]) if name in SAMPLES)


@pytest.mark.parametrize(
    ("alert", "expression"),
    [
        ("HighAgentLatency", "histogram_quantile(0.95, aragora_agent_response_seconds) > 30"),
        ("CircuitBreakerOpen", "aragora_circuit_breaker_state == 2"),
        ("HighErrorRate", "rate(aragora_debates_failed[5m]) / rate(aragora_debates_total[5m]) > 0.1"),
        ("HighPermissionDenialRate", "rate(aragora_rbac_permission_denied_total[5m]) > 0.1"),
        ("EncryptionErrors", "increase(aragora_encryption_errors_total[5m]) > 0"),
        ("AdminImpersonation", "increase(aragora_admin_impersonate_total[5m]) > 0"),
        ("IntegrationStoreUnhealthy", "aragora_integration_store_health == 0"),
        ("IntegrationStoreHighLatency", "histogram_quantile(0.95, aragora_integration_store_latency_seconds) > 1"),
    ],
)
def test_the_alerts_read_as_in_the_runbook(alert: str, expression: str) -> None:
    (rule,) = (rule for rule in RULES if rule.get("alert") == alert)
    assert rule["expr"] == expression
    assert rule["labels"]["severity"] in {"info", "warning", "critical"}


@pytest.mark.parametrize(
    "metric", ["aragora_debates_set_aside_total", "aragora_debates_broken_total", "aragora_outbox_dead_rows_total"]
)
def test_what_is_lost_for_good_raises_an_alert_also_the_first_time(metric: str) -> None:
    (rule,) = (rule for rule in RULES if "alert" in rule and metric in rule["expr"])
    assert f"{metric} offset" in rule["expr"]
    assert "* 0" in rule["expr"]  # what was not there before counts as none


def test_a_bare_histogram_name_is_recorded_before_an_alert_reads_it() -> None:
    histograms = {
        name for metric in METRICS if metric.kind is Kind.HISTOGRAM for name in (metric.name, *metric.aliases)
    }
    used = {name for rule in RULES for name, _ in USE.findall(rule["expr"])}
    assert used & histograms == RECORDED


def test_the_figures_of_the_cluster_are_never_asked_of_its_nodes() -> None:
    """Of the nodes' job only what Prometheus adds is kept, so no sum over a figure can count it once a node."""
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    (nodes,) = (job for job in config["scrape_configs"] if job["job_name"] == "aragora-nodes")
    assert nodes["metric_relabel_configs"] == [{"source_labels": ["__name__"], "regex": ".+", "action": "drop"}]


def test_rays_figures_of_nodes_are_those_that_ray_has() -> None:
    from importlib.resources import files

    agent = files("ray.dashboard.modules.reporter").joinpath("reporter_agent.py").read_text(encoding="utf-8")
    for name in OF_NODES:
        assert not name.startswith("ray_") or f'"{name.removeprefix("ray_")}": Gauge(' in agent, name


def test_prometheus_scrapes_the_server_and_reads_the_alerts() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    assert config["rule_files"] == ["alerts.yml"]
    aragora = next(job for job in config["scrape_configs"] if job["job_name"] == "aragora")
    assert aragora["metrics_path"] == "/metrics"
    assert aragora["static_configs"] == [{"targets": ["localhost:8080"]}]
