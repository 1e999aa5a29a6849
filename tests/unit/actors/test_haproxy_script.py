"""What `haproxy.sh` makes of the configuration that Ray Serve writes; `/bin/true` stands for HAProxy."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "actors/haproxy.sh"
WRITTEN_BY_SERVE = """\
defaults
    mode http
    timeout connect 5s
    timeout client 3600s
    timeout http-keep-alive 90s
    errorfile 502 /serve/500.http
    errorfile 503 /serve/500.http
    errorfile 504 /serve/500.http
    balance leastconn
frontend prometheus
    bind :9101
    mode http
frontend http_frontend
    bind {bind}
    log global
backend default_backend
    http-request return status 404 content-type text/plain lf-string "Path not found."
backend aragora
    timeout server 10s
    server SERVE_REPLICA_aragora-ingress-x1 10.0.0.11:22000 check
    server SERVE_PROXY_ACTOR-fallback-aa 127.0.0.1:8500 check backup
listen stats
  bind *:8404
"""


def corrected(tmp_path: Path, bind: str, **variables: str) -> list[str]:
    """The lines of the configuration after two starts on it, without their indentation."""
    config = tmp_path / "haproxy.cfg"
    config.write_text(WRITTEN_BY_SERVE.format(bind=bind))
    for _ in range(2):
        environment = {"PATH": "/usr/bin:/bin", "ARAGORA_HAPROXY_BINARY": "/bin/true", **variables}
        subprocess.run(["/bin/sh", SCRIPT, "-db", "-f", config], env=environment, check=True, timeout=60)
    return [line.strip() for line in config.read_text().splitlines()]


def section(lines: list[str], head: str) -> list[str]:
    start = lines.index(head)
    heads = [at for at, line in enumerate(lines) if line.split(" ")[0] in ("frontend", "backend", "listen", "defaults")]
    return lines[start : min((at for at in heads if at > start), default=len(lines))]


@pytest.mark.parametrize(
    "wanted",
    ["ipv4@0.0.0.0:8080", "ipv6@:::8080 v4v6", "ipv4@192.0.2.2:8080", "ipv4@127.0.0.1:8080,ipv6@::1:8080"],
)
@pytest.mark.parametrize("serves", ["*:8080", "127.0.0.1:8080"])
def test_http_listens_where_it_was_told_to(tmp_path: Path, wanted: str, serves: str) -> None:
    lines = corrected(tmp_path, serves, ARAGORA_HTTP_BIND=wanted)
    assert section(lines, "frontend http_frontend")[1] == f"bind {wanted}"


@pytest.mark.parametrize("serves", ["*:8080", "10.0.0.11:8080"])
def test_a_node_of_a_cluster_listens_where_serve_says(tmp_path: Path, serves: str) -> None:
    assert section(corrected(tmp_path, serves), "frontend http_frontend")[1] == f"bind {serves}"


def test_its_own_pages_are_for_this_machine(tmp_path: Path) -> None:
    lines = corrected(tmp_path, "*:8080")
    assert "bind 127.0.0.1:9101" in section(lines, "frontend prometheus")
    assert "bind 127.0.0.1:8404" in section(lines, "listen stats")


def test_clients_have_bounded_time_and_each_correction_is_made_once(tmp_path: Path) -> None:
    lines = corrected(tmp_path, "*:8080")
    for line in ("timeout http-request 10s", "timeout client 60s", "timeout client-fin 30s", "timeout tunnel 1h"):
        assert section(lines, "defaults").count(line) == 1
    frontend = section(lines, "frontend http_frontend")
    assert frontend.count("option forwardfor") == 1
    assert frontend.count("http-request disable-l7-retry unless METH_GET") == 1
    assert sum(line.startswith("http-response set-header X-Request-ID") for line in frontend) == 1
    assert "timeout server 10s" in section(lines, "backend aragora")


def test_where_no_replica_answers_clients_get_a_503_in_json(tmp_path: Path) -> None:
    lines = corrected(tmp_path, "*:8080")
    away = tmp_path / "away.http"
    assert [line for line in lines if line.startswith("errorfile")] == [
        f"errorfile {code} {away}" for code in (502, 503, 504)
    ]
    assert section(lines, "backend default_backend") == ["backend default_backend"]
    head, _, body = away.read_bytes().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert f"Content-Length: {len(body)}".encode() in head
    assert json.loads(body)["error"]["code"] == "unavailable"


def test_a_replica_on_a_silent_node_is_given_up_after_seconds(tmp_path: Path) -> None:
    servers = [line for line in corrected(tmp_path, "*:8080") if line.startswith("server ")]
    assert [line.endswith(" tcp-ut 4s") for line in servers] == [True, False]
    assert servers[0].count("tcp-ut") == 1


@pytest.mark.parametrize(("node", "told"), [("10.0.0.10", ["source 10.0.0.10"]), ("fd00::10", []), ("", [])])
def test_a_node_asks_the_others_from_the_address_they_know(tmp_path: Path, node: str, told: list[str]) -> None:
    lines = corrected(tmp_path, "*:8080", ARAGORA_NODE_AT=node)
    assert [line for line in section(lines, "defaults") if line.startswith("source")] == told
