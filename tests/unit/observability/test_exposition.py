from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from aragora.observability.exposition import render
from aragora.observability.metrics import BY_NAME, METRICS, Kind
from aragora.observability.registry import Registry
from aragora.observability.samples import CounterDelta

ROOT = Path(__file__).parents[3]
WHOLE_CONTRACT: list[dict[str, Any]] = yaml.safe_load(
    (ROOT / "tests" / "contract" / "metrics.yaml").read_text(encoding="utf-8")
)["metrics"]
CONTRACT = [row for row in WHOLE_CONTRACT if "later" not in row]
LATER = [row["name"] for row in WHOLE_CONTRACT if "later" in row]


def samples_of(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.parametrize("promised", CONTRACT, ids=[row["name"] for row in CONTRACT])
def test_every_promised_metric_is_declared_as_promised(promised: dict[str, Any]) -> None:
    metric = BY_NAME[promised["name"]]
    assert metric.kind.value == promised["type"]
    assert set(metric.aliases) == set(promised.get("aliases", ()))
    if "labels" in promised:
        assert set(metric.labels) == set(promised["labels"])
    elif "note" not in promised:
        assert metric.labels == ()


@pytest.mark.parametrize("promised", CONTRACT, ids=[row["name"] for row in CONTRACT])
def test_every_promised_metric_is_exposed_before_it_is_ever_counted(promised: dict[str, Any]) -> None:
    lines = render((), ()).splitlines()
    for name in (promised["name"], *promised.get("aliases", ())):
        assert f"# TYPE {name} {promised['type']}" in lines


def test_every_declared_metric_has_a_place_that_counts_or_reads_it() -> None:
    declarations = ROOT / "aragora" / "observability" / "metrics.py"
    files = [path for floor in ("aragora", "actors") for path in (ROOT / floor).rglob("*.py") if path != declarations]
    source = "\n".join(path.read_text(encoding="utf-8") for path in files)
    assert [metric.name for metric in METRICS if f'"{metric.name}' not in source] == []


def test_a_metric_of_a_capability_that_is_still_to_come_is_absent() -> None:
    assert [name for name in LATER if name in BY_NAME] == []


def test_what_is_not_known_is_left_out_as_a_whole_and_only_readings_stay() -> None:
    samples = samples_of(render(None, [CounterDelta("aragora_store_up", (), 0.0)]))
    assert samples == {("aragora_store_up", ()): 0.0}
    assert {metric.kind for metric in METRICS if f"# TYPE {metric.name} " in render(None, ())} == {Kind.GAUGE}


def test_a_gauge_that_nobody_reads_shows_no_figure() -> None:
    assert ("aragora_websocket_connections", ()) not in samples_of(render((), ()))


def test_names_are_declared_once() -> None:
    names = [name for metric in METRICS for name in (metric.name, *metric.aliases)]
    assert len(names) == len(set(names)) == len(BY_NAME) + 1


def test_metrics_without_labels_start_at_zero() -> None:
    lines = render((), ()).splitlines()
    assert {"aragora_debates_completed 0.0", "aragora_fallback_latency_seconds_count 0.0"} <= set(lines)


def test_a_counter_without_total_keeps_its_sample_name() -> None:
    text = render([CounterDelta("aragora_debates_completed", (), 7.0)], ())
    assert "\naragora_debates_completed 7.0\n" in text
    assert "aragora_debates_completed_total" not in text


def test_buckets_are_cumulated_and_shown_under_the_second_name_too() -> None:
    registry = Registry()
    for latency in (0.02, 0.3, 0.4, 500.0):
        registry.observe("aragora_agent_latency_seconds", latency, agent="gpt")
    samples = samples_of(render(registry.drain(), ()))
    for name in ("aragora_agent_latency_seconds", "aragora_agent_response_seconds"):
        at = {
            le: samples[f"{name}_bucket", (("agent", "gpt"), ("le", le))]
            for le in ("0.01", "0.05", "0.5", "120.0", "+Inf")
        }
        assert at == {"0.01": 0, "0.05": 1, "0.5": 3, "120.0": 3, "+Inf": 4}
        assert samples[f"{name}_count", (("agent", "gpt"),)] == 4
        assert samples[f"{name}_sum", (("agent", "gpt"),)] == pytest.approx(500.72)


def test_rows_of_the_same_series_add_up() -> None:
    rows = [CounterDelta("aragora_debates_total", (), 2.0), CounterDelta("aragora_debates_total", (), 3.0)]
    assert "\naragora_debates_total 5.0\n" in render(rows, ())


def test_gauges_of_several_processes_merge_as_declared() -> None:
    breaker = (("agent", "gpt"),)
    readings = [
        CounterDelta("aragora_websocket_connections", (), 2.0),
        CounterDelta("aragora_websocket_connections", (), 3.0),
        CounterDelta("aragora_circuit_breaker_state", breaker, 2.0),
        CounterDelta("aragora_circuit_breaker_state", breaker, 0.0),
    ]
    samples = samples_of(render((), readings))
    assert samples["aragora_websocket_connections", ()] == 5.0
    assert samples["aragora_circuit_breaker_state", breaker] == 2.0


def test_a_bucket_bound_of_another_version_still_counts() -> None:
    rows = [CounterDelta("aragora_fallback_latency_seconds_bucket", (("le", "0.33"),), 1.0)]
    samples = samples_of(render(rows, ()))
    assert samples["aragora_fallback_latency_seconds_bucket", (("le", "0.25"),)] == 0
    assert samples["aragora_fallback_latency_seconds_bucket", (("le", "0.33"),)] == 1
    assert samples["aragora_fallback_latency_seconds_count", ()] == 1


def test_undeclared_samples_are_left_out() -> None:
    text = render([CounterDelta("aragora_of_tomorrow_total", (), 1.0)], [CounterDelta("odd", (), 1.0)])
    assert text == render((), ())


LABEL = st.text(st.characters(exclude_categories=("Cs", "Cc"))) | st.sampled_from(['"', "\\", "a\nb", "\\n", "}", ","])


@given(
    st.lists(
        st.tuples(st.sampled_from([m for m in METRICS if m.kind is not Kind.GAUGE]), LABEL, st.floats(0, 1e6)),
        max_size=20,
    )
)
def test_prometheus_reads_back_whatever_was_counted(counted: list[tuple[Any, str, float]]) -> None:
    registry = Registry()
    expected: dict[tuple[str, tuple[tuple[str, str], ...]], list[float]] = {}
    for metric, value, amount in counted:
        labels = {name: value.strip() for name in metric.labels}
        if metric.kind is Kind.COUNTER:
            registry.inc(metric.name, amount, **labels)
            sample = metric.name if metric.name.endswith("_total") else f"{metric.name}_total"  # the parser's renaming
        else:
            registry.observe(metric.name, amount, **labels)
            sample = f"{metric.name}_sum"
        expected.setdefault((sample, tuple(sorted(labels.items()))), []).append(amount)
    samples = samples_of(render(registry.drain(), ()))
    assert {key: samples[key] for key in expected} == {
        key: pytest.approx(math.fsum(amounts)) for key, amounts in expected.items()
    }
