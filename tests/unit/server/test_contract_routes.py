"""The routes against contract/http.yaml, and the rule that every route declares its policy."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from fastapi.routing import APIRoute
from starlette.routing import WebSocketRoute

from aragora.debate.records import ReceiptRecord
from aragora.identity.rbac import Policy
from aragora.server.app import create_app
from aragora.server.policy import Guard

_CONTRACT = yaml.safe_load((Path(__file__).parents[2] / "contract" / "http.yaml").read_text())
_PATHS = {
    "/api/health", "/api/health/ws", "/api/metrics", "/metrics", "/api/health/live", "/api/health/ready",
    "/api/agents/health", "/api/ws/stats", "/api/circuit-breakers", "/api/system/circuit-breakers",
    "/api/debates", "/api/debates/export", "/api/debates/{id}", "/api/debates/{id}/events",
    "/api/debates/{id}/cancel", "/api/debates/{id}/votes", "/api/debates/{id}/receipt", "/api/receipts/verify",
    "/api/leaderboard/rankings", "/", "/openapi.json",
}  # fmt: skip
_ROWS = [row for row in _CONTRACT["endpoints"] if urlsplit(row["path"]).path in _PATHS]
_BODIES: dict[str, Any] = {
    "/api/debates": {"question": "Tea?"},
    "/api/debates/{id}/votes": {"choice": "ada", "intensity": 3},
    "/api/receipts/verify": {"hash": "good"},
}


def _policy_of(route: Any) -> str | None:
    if isinstance(route, WebSocketRoute):
        policy: Policy | None = getattr(route.app, "policy", None)
        return policy and policy.name
    if isinstance(route, APIRoute):
        found = [one.dependency.policy for one in route.dependencies if isinstance(one.dependency, Guard)]
        return found[0].name if len(found) == 1 else None
    return None


def test_every_route_declares_exactly_one_policy(services_with: Any) -> None:
    undeclared = [route for route in create_app(services_with()).routes if _policy_of(route) is None]
    assert undeclared == []


@pytest.mark.parametrize("row", _ROWS, ids=lambda row: f"{row['method']} {row['path']}")
async def test_a_row_of_the_contract_is_kept(row: dict[str, Any], client: Any, world: Any, services_with: Any) -> None:
    world.add("deb_1")
    if row["path"].endswith("receipt?format=json"):
        world.receipts["deb_1"] = ReceiptRecord("rcp_1", "deb_1", 1, "h", "0" * 64, '{"receipt_id":"rcp_1"}', 0.0)
    template = urlsplit(row["path"]).path
    url = row["path"].replace("{id}", "deb_1").replace("after=SEQ", "after=0")
    answer = await client.request(row["method"], url, json=_BODIES.get(template) if row["method"] == "POST" else None)
    assert answer.is_success, answer.text
    assert "x-request-id" in answer.headers
    for field in row.get("fields", ()):
        assert field in answer.json()
    declared = {
        (method, route.path.replace("debate_id", "id")): _policy_of(route)
        for route in create_app(services_with()).routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }
    assert declared[row["method"], template] == row["auth"]


async def test_the_openapi_document_describes_every_answer(client: Any) -> None:
    document = (await client.get("/openapi.json")).json()
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    assert len(operations) >= 18
    for path, method, operation in operations:
        assert operation["summary"], (path, method)
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                schema = response["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Failure"}, (path, method, status)
