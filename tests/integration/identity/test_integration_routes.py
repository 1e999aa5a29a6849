"""Integrations over HTTP: kept encrypted, shown without their secrets, written to the audit log, counted."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest
from worlds.memory_server import Boards, Served, World, served
from worlds.migrated import migrated
from worlds.waiting import eventually

from aragora.config.settings import Settings
from aragora.observability.registry import REGISTRY

pytestmark = pytest.mark.slow

TOKEN = "xoxb-1-the-bot-token"
SLACK = {"settings": {"channel": "#ops", "bot_token": TOKEN, "secrets": {"header": "X-Key: 7"}, "retries": 3}}
SHOWN = {"channel": "#ops", "bot_token": "[set]", "secrets": "[set]", "retries": 3}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Served]:
    settings = Settings(data_dir=tmp_path)
    migrated(settings)
    server = served(settings, World(), Boards())
    yield server
    await server.aclose()


@pytest.fixture
async def client(server: Served) -> AsyncIterator[httpx2.AsyncClient]:
    """The local operator of a development server."""
    async with server.client(host="localhost:8080") as client:
        yield client


async def test_secrets_go_in_and_never_come_back(client: httpx2.AsyncClient, tmp_path: Path) -> None:
    saved = await client.put("/api/integrations/slack", json=SLACK)
    listed = await client.get("/api/integrations")

    assert (saved.status_code, saved.json()) == (200, {"type": "slack", "user_id": "local", "settings": SHOWN})
    assert listed.json() == {"integrations": [saved.json()], "unreadable": []}
    assert saved.headers["cache-control"] == "no-store"
    assert not _on_disk(tmp_path, TOKEN)
    assert not _on_disk(tmp_path, "X-Key: 7")
    assert _on_disk(tmp_path, "#ops")


async def test_the_server_itself_reads_what_was_saved(client: httpx2.AsyncClient, server: Served) -> None:
    await client.put("/api/integrations/slack", json=SLACK)

    config = await (await server.features["integrations"].ports.store()).get("slack", "local")

    assert config is not None
    assert (config["bot_token"], config["secrets"]) == (TOKEN, {"header": "X-Key: 7"})


async def test_saving_again_replaces_and_deleting_ends_it(client: httpx2.AsyncClient) -> None:
    await client.put("/api/integrations/slack", json=SLACK)
    await client.put("/api/integrations/slack", json={"settings": {"channel": "#dev"}})

    (only,) = (await client.get("/api/integrations")).json()["integrations"]
    gone = await client.delete("/api/integrations/slack")
    again = await client.delete("/api/integrations/slack")

    assert only["settings"] == {"channel": "#dev"}
    assert (gone.status_code, again.status_code) == (204, 404)
    assert (await client.get("/api/integrations")).json() == {"integrations": [], "unreadable": []}


@pytest.mark.parametrize("payload", ['{"type": 5', '{"bot_token": {"_encrypted": true, "key_id": "gone"}}', "{}"])
async def test_one_that_cannot_be_read_is_named_beside_the_others_and_can_be_replaced_and_deleted(
    payload: str, client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    for name in ("jira", "slack"):
        assert (await client.put(f"/api/integrations/{name}", json=SLACK)).status_code == 200
    _damage(tmp_path, payload)

    listed = await client.get("/api/integrations")
    assert listed.status_code == 200
    assert [one["type"] for one in listed.json()["integrations"]] == ["jira"]
    (unreadable,) = listed.json()["unreadable"]
    assert (unreadable["type"], unreadable["user_id"], bool(unreadable["reason"])) == ("slack", "local", True)
    assert unreadable["id"] == "local/slack/local"

    assert (await client.put("/api/integrations/zulip", json=SLACK)).status_code == 200
    assert (await client.put("/api/integrations/slack", json=SLACK)).status_code == 200
    assert (await client.get("/api/integrations")).json()["unreadable"] == []
    _damage(tmp_path, payload)
    assert (await client.delete("/api/integrations/slack")).status_code == 204
    assert len((await client.get("/api/integrations")).json()["integrations"]) == 2


def _damage(data_dir: Path, payload: str) -> None:
    with closing(sqlite3.connect(data_dir / "core.db")) as connection:
        changed = connection.execute("UPDATE integrations SET payload = ? WHERE kind = 'slack'", (payload,))
        assert changed.rowcount == 1
        connection.commit()


async def test_every_change_is_in_the_audit_log_without_its_secrets(client: httpx2.AsyncClient) -> None:
    await client.put("/api/integrations/slack", json=SLACK)
    await client.delete("/api/integrations/slack")

    answer = await client.get("/api/admin/audit")

    told = [(entry["action"], entry["actor"], entry["target"]) for entry in answer.json()["entries"]]
    assert told == [("integration.delete", "local", "slack"), ("integration.save", "local", "slack")]
    assert TOKEN not in answer.text


async def test_who_may_not_manage_integrations_is_refused(client: httpx2.AsyncClient) -> None:
    member = {"X-User-ID": "u", "X-Org-ID": "local", "X-User-Roles": "member"}

    for method, path in (("GET", ""), ("PUT", "/slack"), ("DELETE", "/slack")):
        answer = await client.request(
            method, f"/api/integrations{path}", json=SLACK if method == "PUT" else None, headers=member
        )
        assert answer.status_code == 403, answer.text


@pytest.mark.parametrize(
    "settings",
    [
        {}, {"type": "x"}, {"org_id": "other"}, {"user_id": "x"}, {"bot_token": "[set]"}, {"text": "x" * 70_000},
        {"deep": [[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]}, {f"name{n}": n for n in range(101)},
    ],
    ids=["empty", "type", "org", "user", "stand-in", "long", "deep", "many"],
)  # fmt: skip
async def test_settings_that_cannot_be_kept_are_a_422(settings: dict[str, Any], client: httpx2.AsyncClient) -> None:
    assert (await client.put("/api/integrations/slack", json={"settings": settings})).status_code == 422


async def test_half_a_character_is_a_422_that_repeats_nothing(client: httpx2.AsyncClient) -> None:
    raw = b'{"settings": {"bot_token": "s3cr3t\\ud800"}}'
    answer = await client.put("/api/integrations/x", content=raw, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert "s3cr3t" not in answer.text


async def test_operations_are_counted_and_the_number_is_fresh(
    client: httpx2.AsyncClient, server: Served, tmp_path: Path
) -> None:
    REGISTRY.drain()
    await client.put("/api/integrations/slack", json=SLACK)
    await client.get("/api/integrations")

    counted = {(delta.sample, delta.labels): delta.amount for delta in REGISTRY.drain()}
    operations = "aragora_integration_store_operations_total"
    assert counted[operations, (("operation", "save"), ("status", "success"))] == 1
    assert counted["aragora_integration_store_latency_seconds_count", (("operation", "list"),)] == 2
    assert _gauge("aragora_integration_store_active_integrations") == 1
    assert _gauge("aragora_integration_store_health") == 1

    with sqlite3.connect(tmp_path / "core.db") as another_process:
        another_process.execute("DELETE FROM integrations")
    counting = asyncio.create_task(server.features["integrations"].tasks[0]())
    await eventually(lambda: _gauge("aragora_integration_store_active_integrations") == 0)
    counting.cancel()


def _gauge(name: str) -> float:
    """Of this backend: other tests of the same process leave readings of theirs."""
    of_here = ((), (("backend", "sqlite"),))
    (value,) = [one.amount for one in REGISTRY.gauges() if one.sample == name and one.labels in of_here]
    return value


def _on_disk(data_dir: Path, text: str) -> bool:
    return any(text.encode() in kept.read_bytes() for kept in data_dir.glob("*.db*"))
