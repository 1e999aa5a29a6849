"""The rows of tests/contract/http.yaml that the main job promises, asked of a running server."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from worlds.live_server import LiveServer
from worlds.waiting import WAIT_S

pytestmark = pytest.mark.slow

CONTRACT = yaml.safe_load((Path(__file__).parents[2] / "contract" / "http.yaml").read_text())
LATER = (
    "/api/knowledge/items/{id}",  # the Knowledge Mound: of one item, and a search, which needs its question
    "/api/knowledge/search",
    "/api/knowledge/forgettings/{id}",
    "/api/knowledge/insights/{id}",
    "/api/knowledge/revalidations/{id}",
    "/api/knowledge/adapters/",
    "/api/debates/{id}/outcome",  # outcomes
    "/api/control-plane/tasks/{id}",  # the control plane: of one task
    "/api/integrations",
    "/api/system/errors",  # the admin console and the developer portal
    "/api/system/rate-limits",
    "/api/admin",
    "/admin",
    "/developer",
    "/api/auth",  # identity and billing
    "/api/users",
    "/api/invitations",
    "/api/billing",
    "/api/workflow",  # workflows
    "/api/webhooks/{id}",  # those of one webhook or delivery
    "/api/webhooks/deliveries",
    "/api/webhooks/replays/",
    "/api/webhooks/dead-letters/",
)
"""Beginnings of the paths that other chapters promise, which have tests of their own."""

NOW = [row for row in CONTRACT["endpoints"] if "later" not in row and not row["path"].startswith(LATER)]


@pytest.mark.parametrize("row", [row for row in NOW if row["method"] == "GET"], ids=lambda row: row["path"])
def test_every_promised_page_answers_with_its_fields(row: dict[str, Any], server: LiveServer, debate_id: str) -> None:
    path = row["path"].replace("{id}", debate_id).replace("SEQ", "0")

    answer = server.request("GET", path)

    assert answer.status == 200, answer.body
    for field in row.get("fields", []):
        value = answer.json
        for part in field.split("."):
            assert part in value, f"{path} lacks {field}"
            value = value[part]


def test_health_tells_status_version_and_whole_seconds(server: LiveServer) -> None:
    health = server.get("/api/health")

    assert health["status"] == "healthy"
    assert isinstance(health["uptime"], int)
    assert health["version"].count(".") == 2


def test_every_agent_tells_its_provider_breaker_error_and_latencies(server: LiveServer, debate_id: str) -> None:
    agents = {agent["name"]: agent for agent in server.get("/api/agents/health")["agents"]}

    debated = server.get(f"/api/debates/{debate_id}")["agents"][0]
    assert agents[debated]["provider"] == "stub"
    assert agents[debated]["breaker"]["state"] == "closed"
    assert agents[debated]["last_error"] is None
    assert 0.02 <= agents[debated]["p50_latency_s"] <= agents[debated]["p95_latency_s"]


def test_the_leaderboard_names_who_debated(server: LiveServer, debate_id: str) -> None:
    """Ratings follow from the debate's outbox, a moment after its end."""
    wanted = set(server.get(f"/api/debates/{debate_id}")["agents"])

    def rated() -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = server.get("/api/leaderboard/rankings")["agents"]
        return rows if wanted <= {row["name"] for row in rows} else []

    assert all(isinstance(row["elo"], float) for row in server.until(rated))


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/debates/deb_unknown", None, 404),
        ("GET", "/api/nothing-here", None, 404),
        ("GET", "/api/debates?limit=0", None, 422),
        ("GET", "/api/debates?cursor=bogus", None, 422),
        ("GET", "/api/debates/export?format=xml", None, 422),
        ("DELETE", "/api/debates", None, 405),
        ("POST", "/api/debates", {"question": ""}, 422),
        ("POST", "/api/debates", {"question": "Who?", "agents": ["nobody", "stub-1"]}, 422),
        ("POST", "/api/debates", {"question": "Who?", "protocol": "shouting"}, 422),
        ("POST", "/api/debates", b"{", 422),
        ("POST", "/api/debates", {"question": "x" * 1_100_000}, 413),
    ],
)
def test_every_refusal_has_one_shape(server: LiveServer, method: str, path: str, body: Any, status: int) -> None:
    refused = server.request(method, path, body, X_Request_ID="walk-1")

    assert refused.status == status, refused.body
    assert refused.json["error"]["code"].replace("_", "").isalpha()
    assert refused.json["error"]["message"]
    assert refused.json["request_id"] == refused.headers["x-request-id"] == "walk-1"


def test_every_answer_has_a_request_id_and_an_unsound_one_is_replaced(server: LiveServer) -> None:
    own = server.request("GET", "/api/nothing-here")
    given = server.request("GET", "/api/nothing-here", X_Request_ID="trace.7")
    replaced = server.request("GET", "/api/nothing-here", X_Request_ID="no spaces allowed")

    assert given.headers["x-request-id"] == given.json["request_id"] == "trace.7"
    assert own.headers["x-request-id"] == own.json["request_id"] != ""
    assert replaced.headers["x-request-id"] == replaced.json["request_id"]
    assert " " not in replaced.json["request_id"]


def test_the_request_id_comes_once(server: LiveServer) -> None:
    with urllib.request.urlopen(f"{server.url}/api/health", timeout=WAIT_S) as answer:
        assert len(answer.headers.get_all("X-Request-ID")) == 1


def test_the_openapi_document_describes_every_promised_route(server: LiveServer) -> None:
    described = server.get("/openapi.json")["paths"]

    for row in NOW:
        path = row["path"].partition("?")[0].replace("{id}", "{debate_id}")
        if path not in ("/", "/openapi.json"):
            assert row["method"].lower() in described[path], path


def test_the_page_asks_nothing_of_other_sites(server: LiveServer) -> None:
    page = server.request("GET", "/")

    assert page.headers["content-type"].startswith("text/html")
    assert "https://" not in page.body
    assert f"ws://127.0.0.1:{server.ws_port}" in page.headers["content-security-policy"]


def test_another_site_gets_no_permission_to_read(server: LiveServer) -> None:
    answer = server.request("GET", "/api/debates", Origin="https://evil.example")

    assert "access-control-allow-origin" not in answer.headers
    opened = server.request("POST", "/api/debates", {"question": "Mine?"}, Origin="https://evil.example")
    assert opened.status == 403, json.dumps(opened.headers)
