"""deploy/prometheus in a real Prometheus: the nodes of a cluster one by one, and the figures of all of them once.

`make install-dev` unpacks Debian's prometheus into the environment. Without that, and without an installed one, what
needs the program is skipped.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from worlds.promtool import SHIPPED, expect_alerts, program, promtool
from worlds.waiting import WAIT_S, wait_until

from aragora.config.legacy import HTTP_PORT
from aragora.free_ports import free_ports
from aragora.observability.exposition import CONTENT_TYPE, render
from aragora.observability.samples import CounterDelta

ROOT = Path(__file__).parents[3]
CONFIG: dict[str, Any] = yaml.safe_load((SHIPPED / "prometheus.yml").read_text())
JOBS: dict[str, dict[str, Any]] = {job["job_name"]: job for job in CONFIG["scrape_configs"]}
NODES = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
DEBATES = 7
FIGURES = render([CounterDelta("aragora_debates_total", (), float(DEBATES))], []).encode()

RAYS = b"# TYPE ray_node_cpu_utilization gauge\nray_node_cpu_utilization 12.5\n"

# What every node of the evaluated cluster looks like, from minute 0 to 20 (promtool's notation: value, step, count).
ALL_IS_WELL = {
    'up{job="aragora", instance="api.aragora.ai"}': "1x20",
    'up{job="aragora-nodes", instance="10.0.0.10", role="head"}': "1x20",
    'up{job="aragora-nodes", instance="10.0.0.11", role="worker"}': "1x20",
    'up{job="ray", instance="10.0.0.10", role="head"}': "1x20",
    'up{job="ray", instance="10.0.0.11", role="worker"}': "1x20",
    'ray_node_disk_utilization_percentage{job="ray", instance="10.0.0.11"}': "50x20",
    'ray_node_mem_used{job="ray", instance="10.0.0.11"}': "50x20",
    'ray_node_mem_total{job="ray", instance="10.0.0.11"}': "100x20",
}
NODE_ALERTS = ["ServiceDown", "NodeDown", "RayDown", "NodeDiskFull", "NodeMemoryFull"]


def test_the_list_of_nodes_is_read_by_the_jobs_that_ask_each_node_and_by_no_other() -> None:
    listed = {name: job.get("file_sd_configs", [{}])[0].get("files") for name, job in JOBS.items()}
    assert listed == {"aragora": None, "aragora-nodes": ["nodes.yml"], "ray": ["nodes.yml"]}


def test_the_nodes_are_asked_at_the_servers_own_port() -> None:
    assert _ports()["aragora-nodes"] == str(HTTP_PORT)


def test_the_example_of_nodes_is_the_cluster_file() -> None:
    cluster = yaml.safe_load((ROOT / "cluster.yaml").read_text())["provider"]
    assert yaml.safe_load((SHIPPED / "nodes.yml").read_text()) is None
    head, workers = yaml.safe_load(_uncommented((SHIPPED / "nodes.yml").read_text()))
    assert (head["targets"], head["labels"]) == ([cluster["head_ip"]], {"role": "head"})
    assert (workers["targets"], workers["labels"]) == (cluster["worker_ips"], {"role": "worker"})


@pytest.mark.slow
@pytest.mark.parametrize("command", [["check", "config", "prometheus.yml"], ["check", "rules", "alerts.yml"]])
def test_prometheus_own_tool_takes_the_files(command: list[str]) -> None:
    checked = promtool(*command, directory=SHIPPED)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "alert", "told"),
    [
        ({}, None, {}),
        ({'up{job="aragora", instance="api.aragora.ai"}': "0x20"}, "ServiceDown", {"instance": "api.aragora.ai"}),
        (
            {'up{job="aragora-nodes", instance="10.0.0.11", role="worker"}': "1x5 0x14"},
            "NodeDown",
            {"instance": "10.0.0.11", "role": "worker"},
        ),
        (
            {'up{job="ray", instance="10.0.0.11", role="worker"}': "0x20"},
            "RayDown",
            {"instance": "10.0.0.11", "role": "worker"},
        ),
        (
            {  # a node that is gone is one alert, not two
                'up{job="aragora-nodes", instance="10.0.0.11", role="worker"}': "0x20",
                'up{job="ray", instance="10.0.0.11", role="worker"}': "0x20",
            },
            "NodeDown",
            {"instance": "10.0.0.11", "role": "worker"},
        ),
        (
            {'ray_node_disk_utilization_percentage{job="ray", instance="10.0.0.11"}': "91x20"},
            "NodeDiskFull",
            {"instance": "10.0.0.11"},
        ),
        ({'ray_node_mem_used{job="ray", instance="10.0.0.11"}': "91x20"}, "NodeMemoryFull", {"instance": "10.0.0.11"}),
    ],
    ids=["all well", "service", "node", "ray", "node and its ray", "disk", "memory"],
)
def test_a_node_that_fails_raises_one_alert_that_names_it(
    tmp_path: Path, changed: dict[str, str], alert: str | None, told: dict[str, str]
) -> None:
    expected = {name: [{**told, **_always(name)}] if name == alert else [] for name in NODE_ALERTS}
    expect_alerts(tmp_path, {**ALL_IS_WELL, **changed}, expected, "15m")


@pytest.mark.slow
def test_figures_are_counted_once_and_a_node_that_dies_is_told(tmp_path: Path) -> None:
    with _scraped(tmp_path) as prometheus:
        wait_until(lambda: prometheus.by_instance('up{job="aragora-nodes"}') == dict.fromkeys(NODES[:2], 1.0))
        wait_until(lambda: prometheus.by_instance('up{job="ray"}') == dict.fromkeys(NODES[:2], 1.0))
        assert wait_until(lambda: prometheus.ask("sum(aragora_debates_total)")) == [({}, float(DEBATES))]
        # A node that joins needs a line in the list, and no restart.
        prometheus.list_nodes(NODES)
        wait_until(lambda: prometheus.by_instance('up{job="aragora-nodes"}') == dict.fromkeys(NODES, 1.0))
        assert len(wait_until(lambda: prometheus.ask("ray_node_cpu_utilization"))) >= 2
        prometheus.kill(NODES[1])
        wait_until(lambda: prometheus.by_instance('up{job="aragora-nodes"} == 0') == {NODES[1]: 0.0})
        assert wait_until(lambda: prometheus.ask('ALERTS{alertname="NodeDown"}'))[0][0]["role"] == "worker"
        assert prometheus.ask("sum(aragora_debates_total)") == [({}, float(DEBATES))]
        assert prometheus.ask('ALERTS{alertname="ServiceDown"}') == []


@dataclass(frozen=True)
class _Prometheus:
    """A running one, and the nodes that it asks."""

    url: str
    nodes_file: Path
    nodes: dict[str, list[ThreadingHTTPServer]]

    def ask(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Labels and values of an expression now; nothing while it starts."""
        query = urllib.parse.urlencode({"query": expression})
        with suppress(OSError), urllib.request.urlopen(f"{self.url}/api/v1/query?{query}", timeout=WAIT_S) as answer:
            found = json.load(answer)["data"]["result"]
            return [(one["metric"], float(one["value"][1])) for one in found]
        return []

    def by_instance(self, expression: str) -> dict[str, float]:
        return {labels["instance"]: value for labels, value in self.ask(expression)}

    def list_nodes(self, nodes: list[str]) -> None:
        """As an operator does: the file is replaced by a new one."""
        head, *workers = nodes
        new = self.nodes_file.with_suffix(".new")
        new.write_text(
            yaml.safe_dump(
                [{"targets": [head], "labels": {"role": "head"}}, {"targets": workers, "labels": {"role": "worker"}}]
            )
        )
        new.replace(self.nodes_file)

    def kill(self, node: str) -> None:
        for server in self.nodes[node]:
            server.shutdown()
            server.server_close()


@contextmanager
def _scraped(directory: Path) -> Iterator[_Prometheus]:
    """Prometheus with the shipped files, asking three nodes every second; ports are the test's own."""
    prometheus_path = program("prometheus")
    own_port, served, measured = free_ports(3)
    ports = _ports()
    config = (SHIPPED / "prometheus.yml").read_text()
    for here, there in (
        (f"localhost:{HTTP_PORT}", f"{NODES[0]}:{served}"),
        (f"$1:{ports['aragora-nodes']}", f"$1:{served}"),
        (f"$1:{ports['ray']}", f"$1:{measured}"),
        ("scrape_interval: 15s", "scrape_interval: 1s"),
        ("scrape_timeout: 10s", "scrape_timeout: 1s"),
        ("evaluation_interval: 15s", "evaluation_interval: 1s"),
    ):
        assert here in config, here
        config = config.replace(here, there)
    (directory / "prometheus.yml").write_text(config)
    shutil.copy(SHIPPED / "alerts.yml", directory)
    nodes = {node: [_serve(node, served, FIGURES), _serve(node, measured, RAYS)] for node in NODES}
    prometheus = _Prometheus(f"http://127.0.0.1:{own_port}", directory / "nodes.yml", nodes)
    prometheus.list_nodes(NODES[:2])
    process = subprocess.Popen(
        [prometheus_path, "--config.file=prometheus.yml", f"--web.listen-address=127.0.0.1:{own_port}",
         f"--storage.tsdb.path={directory}/data", "--log.level=error"],
        cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield prometheus
    finally:
        process.terminate()
        process.wait(WAIT_S)
        for server in (server for servers in nodes.values() for server in servers):
            server.shutdown()
            server.server_close()


def _serve(node: str, port: int, page: bytes) -> ThreadingHTTPServer:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            """Tests say what they have to say themselves."""

    server = ThreadingHTTPServer((node, port), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def _always(alert: str) -> dict[str, str]:
    """The labels that an alert has whatever raised it, and those of `up` that say no more than its name."""
    rules = yaml.safe_load((SHIPPED / "alerts.yml").read_text())
    (rule,) = (rule for group in rules["groups"] for rule in group["rules"] if rule.get("alert") == alert)
    job = re.match(r'up\{job="([\w-]+)"\}', rule["expr"])
    return {**rule["labels"], **({"job": job[1]} if job else {})}


def _ports() -> dict[str, str]:
    """The port at which each job asks the nodes of the list."""
    return {
        name: relabelled["replacement"].removeprefix("$1:")
        for name, job in JOBS.items()
        for relabelled in job.get("relabel_configs", ())
        if relabelled["target_label"] == "__address__"
    }


def _uncommented(text: str) -> str:
    return "\n".join(line[2:] for line in text.splitlines() if re.match(r"# ( |-)", line))
