"""The routes against contract/http.yaml, and the rule that every route declares its policy."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from fastapi import FastAPI
from starlette.routing import WebSocketRoute

from aragora.debate.records import ReceiptRecord
from aragora.identity.rbac import PUBLIC, Policy
from aragora.server.chapter import GuardedRoute
from aragora.server.chapters.debates import debates
from aragora.server.chapters.estimates import estimates
from aragora.server.chapters.operations import operations
from aragora.server.chapters.pages import pages
from aragora.server.chapters.receipts import receipts

_CONTRACT = yaml.safe_load((Path(__file__).parents[2] / "contract" / "http.yaml").read_text())
_TO_COME = (
    "/api/billing",
    "/api/admin/schedulers", "/admin", "/developer",
)  # fmt: skip
"""Beginnings of the paths of features that are not built yet."""
_ROWS = [row for row in _CONTRACT["endpoints"] if "later" not in row and not row["path"].startswith(_TO_COME)]
_LATER = [row for row in _CONTRACT["endpoints"] if "later" in row]
_BODIES: dict[str, Any] = {
    "/api/debates": {"question": "Tea?"},
    "/api/debates/estimate": {"question": "Tea?"},
    "/api/debates/{id}/votes": {"choice": "ada", "intensity": 3},
    "/api/receipts/verify": {"hash": "good"},
}


def _key(method: str, path: str) -> tuple[str, str]:
    """A route whatever its parameters are called."""
    return method, re.sub(r"\{\w+\}", "{}", urlsplit(path).path)


_IN_MEMORY = {
    _key(method, route.path)
    for chapter in (debates, estimates, operations, pages, receipts)
    for route in chapter.routes
    for method in route.methods
}
"""The routes that ask the world and the boards only: no store has to be there."""


def _declared(app: FastAPI) -> dict[tuple[str, str], Policy]:
    return {
        _key(method, route.path): route.policy
        for route in app.routes
        if isinstance(route, GuardedRoute)
        for method in route.methods
    }


def test_every_route_declares_its_policy(serve: Any) -> None:
    for route in serve().app.routes:
        if isinstance(route, WebSocketRoute):
            assert isinstance(route.app.policy, Policy)  # type: ignore[attr-defined]
        else:
            assert isinstance(route, GuardedRoute)
            assert isinstance(route.policy, Policy)


async def test_a_stranger_is_let_in_only_where_a_route_is_public(serve: Any) -> None:
    server = serve(environment="production", api_token="secret")
    client = server.client("203.0.113.9")
    guarded = [route for route in server.app.routes if isinstance(route, GuardedRoute) and route.policy != PUBLIC]
    assert len(guarded) >= 20
    assert (await client.get("/api/health")).status_code == 200
    for route in guarded:
        for method in route.methods:
            answer = await client.request(method, re.sub(r"\{\w+\}", "x", route.path))
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthenticated"), route.path


def test_a_feature_that_is_built_is_no_longer_to_come(serve: Any) -> None:
    declared = _declared(serve().app)
    assert sorted(path for _, path in declared if path.startswith(_TO_COME)) == []
    assert [row["path"] for row in _LATER if _key(row["method"], row["path"]) in declared] == []


@pytest.mark.parametrize("row", _ROWS, ids=lambda row: f"{row['method']} {row['path']}")
def test_every_row_of_the_contract_has_its_route_and_policy(row: dict[str, Any], serve: Any) -> None:
    assert _declared(serve().app)[_key(row["method"], row["path"])].name == row["auth"]


@pytest.mark.parametrize(
    "row",
    [row for row in _ROWS if _key(row["method"], row["path"]) in _IN_MEMORY],
    ids=lambda row: f"{row['method']} {row['path']}",
)
async def test_a_row_of_the_contract_is_kept(row: dict[str, Any], client: Any, world: Any) -> None:
    world.add("deb_1")
    if row["path"].endswith("receipt?format=json"):
        world.receipts["deb_1"] = ReceiptRecord("rcp_1", "deb_1", 1, "h", "0" * 64, '{"receipt_id":"rcp_1"}', 0.0)
    body = _BODIES.get(urlsplit(row["path"]).path) if row["method"] == "POST" else None
    url = row["path"].replace("{id}", "deb_1").replace("after=SEQ", "after=0")
    answer = await client.request(row["method"], url, json=body)
    assert answer.is_success, answer.text
    assert "x-request-id" in answer.headers
    for field in row.get("fields", ()):
        assert field in answer.json()


async def test_the_openapi_document_describes_every_answer(client: Any) -> None:
    document = (await client.get("/openapi.json")).json()
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    assert len(operations) >= 38
    for path, method, operation in operations:
        assert operation["summary"], (path, method)
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                schema = response["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Failure"}, (path, method, status)
