"""Replays over HTTP: counted, begun, looked at, listed, stopped; refused where they make no sense."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import httpx2
import pytest
from sqlalchemy import text
from worlds.memory_dispatching import MemoryDispatching
from worlds.webhook_deliveries import delivery

from aragora.config.settings import Settings
from aragora.debate.journal import row_of
from aragora.debate.model import DebateEnded, DebateSpec, DebateStatus, Protocol
from aragora.encoding import encode_text
from aragora.errors import Unavailable
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.webhooks import replays

pytestmark = pytest.mark.slow

Make: TypeAlias = Callable[..., Any]
NOW = time.time()  # when this file was imported: the suite may have run for half an hour since
HOUR_AGO = NOW - 3_600.0


@pytest.fixture
async def webhook_id(create: Make) -> str:
    made: str = (await create())["webhook_id"]
    return made


@pytest.fixture
async def debated(tmp_path: Path, client: httpx2.AsyncClient) -> Callable[[str], Awaitable[None]]:
    """Stores a debate that ended a minute ago."""

    async def stored(debate_id: str) -> None:
        spec = DebateSpec(debate_id, "Which queue?", ("a", "b"), Protocol("structured"), seed=7)
        row = row_of(debate_id, 1, NOW - 60.0, DebateEnded(DebateStatus.COMPLETED, "decided", 3, 0.25))
        database = Database.open(Settings(data_dir=tmp_path), Context.DEBATES)
        debate = (
            "INSERT INTO debates (debate_id, question, status, spec, created_at, updated_at, created_by, org_id, rounds, "
            "cost_usd, last_seq) VALUES (:id, 'q', 'completed', :spec, :at, :at, 'ann', 'local', 3, 0, 1)"
        )
        event = "INSERT INTO journal (debate_id, seq, type, payload, at) VALUES (:id, 1, 'debate_end', :payload, :at)"
        async with database.writing() as connection:
            await connection.execute(text(debate), {"id": debate_id, "spec": encode_text(spec), "at": NOW - 60.0})
            await connection.execute(text(event), {"id": debate_id, "payload": row.payload, "at": NOW - 60.0})
        await database.aclose()

    return stored


def its(webhook_id: str, at: float = NOW - 600.0) -> dict[str, Any]:
    return {"webhook_id": webhook_id, "target_id": webhook_id, "created_at": at, "due_at": at, "budget_at": at}


async def test_a_dry_run_counts_and_stores_nothing(
    *,
    client: httpx2.AsyncClient,
    webhook_id: str,
    enqueue: Make,
    debated: Make,
    rows: Make,
    dispatching: MemoryDispatching,
) -> None:
    for number in (1, 2):
        one = delivery(number, **its(webhook_id))
        await enqueue(one, died=NOW - 500.0, created_at=one.created_at)
    await debated("deb_1")
    counted = {}
    for select in ("failed", "missing", "all"):
        body = {"since": HOUR_AGO, "select": select, "dry_run": True}
        answer = await client.post(f"/api/webhooks/{webhook_id}/replay", json=body)
        assert answer.status_code == 200, answer.text
        counted[select] = answer.json()
    assert {select: (one["matching"], one["more"]) for select, one in counted.items()} == {
        "failed": (2, False), "missing": (1, False), "all": (3, False),
    }  # fmt: skip
    assert counted["all"].keys() == {
        *("webhook_id", "select", "since", "until", "event_types", "rate_per_s", "matching", "more"),
        "uncertain_before",
    }
    assert counted["all"]["until"] == pytest.approx(time.time(), abs=600.0)
    assert rows("SELECT * FROM webhook_replays") == []
    assert ("replays", "") not in dispatching.told


async def test_a_replay_is_begun_told_shown_listed_stopped_and_audited(
    client: httpx2.AsyncClient, webhook_id: str, debated: Make, dispatching: MemoryDispatching
) -> None:
    await debated("deb_1")
    body = {"since": HOUR_AGO, "until": NOW, "select": "missing", "event_types": ["debate_end"], "rate_per_s": 5}
    begun = await client.post(f"/api/webhooks/{webhook_id}/replay", json=body)
    replay = begun.json()
    path = f"/api/webhooks/replays/{replay['replay_id']}"
    assert (begun.status_code, begun.headers["location"]) == (202, path)
    assert {
        name: replay[name] for name in ("webhook_id", "status", "select", "event_types", "rate_per_s", "matching")
    } == {
        "webhook_id": webhook_id, "status": "running", "select": "missing", "event_types": ["debate_end"],
        "rate_per_s": 5, "matching": 1,
    }  # fmt: skip
    assert (replay["made"], replay["revived"], replay["skipped"], replay["ended_at"]) == (0, 0, 0, None)
    assert dispatching.told[-1] == ("replays", "")
    assert (await client.get(path)).json() == replay
    listed = (await client.get(f"/api/webhooks/{webhook_id}/replays")).json()
    assert listed == {"replays": [replay], "next_cursor": None}

    stopped = [await client.delete(path) for _ in range(2)]
    assert [one.status_code for one in stopped] == [200, 200]
    assert stopped[0].json() == stopped[1].json() == (await client.get(path)).json()
    assert (stopped[0].json()["status"], stopped[0].json()["reason"]) == ("stopped", replays.STOPPED)
    assert stopped[0].json()["ended_at"] >= replay["created_at"]
    entries = (await client.get("/api/admin/audit?limit=2")).json()["entries"]
    assert [(one["action"], one["target"], one["outcome"]) for one in reversed(entries)] == [
        ("webhook.replay", webhook_id, "success"),
        ("webhook.stop_replay", replay["replay_id"], "success"),
    ]
    assert entries[-1]["details"]["replay_id"] == replay["replay_id"]


async def test_the_same_key_begins_one_replay_and_another_request_under_it_is_refused(
    client: httpx2.AsyncClient, webhook_id: str, rows: Make
) -> None:
    path, key = f"/api/webhooks/{webhook_id}/replay", {"Idempotency-Key": "key-1"}
    body = {"since": HOUR_AGO, "select": "failed"}
    first, second = [await client.post(path, json=body, headers=key) for _ in range(2)]
    assert (first.status_code, first.json()) == (second.status_code, second.json())
    other = await client.post(path, json={**body, "select": "all"}, headers=key)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "conflict")
    assert (await client.post(path, json={**body, "dry_run": True}, headers=key)).status_code == 200
    assert len(rows("SELECT * FROM webhook_replays")) == 1


@pytest.mark.parametrize(("days", "select", "told"), [(8, "missing", True), (8, "failed", False), (6, "all", False)])
async def test_what_may_have_arrived_before_and_been_deleted_is_told(
    days: int, select: str, told: bool, client: httpx2.AsyncClient, webhook_id: str
) -> None:
    body = {"since": NOW - days * 86_400.0, "select": select, "dry_run": True}
    counted = (await client.post(f"/api/webhooks/{webhook_id}/replay", json=body)).json()
    expected = pytest.approx(time.time() - 7 * 86_400.0, abs=600.0)
    assert counted["uncertain_before"] == (expected if told else None)


async def test_a_dispatcher_that_is_away_does_not_undo_a_replay(
    client: httpx2.AsyncClient, webhook_id: str, dispatching: MemoryDispatching
) -> None:
    dispatching.failure = Unavailable("away")
    begun = await client.post(f"/api/webhooks/{webhook_id}/replay", json={"since": HOUR_AGO, "select": "all"})
    assert begun.status_code == 202


async def test_a_disabled_webhook_takes_none_a_paused_one_does_and_only_so_many_run_at_once(
    client: httpx2.AsyncClient, webhook_id: str
) -> None:
    path, body = f"/api/webhooks/{webhook_id}", {"since": HOUR_AGO, "select": "all"}
    await client.post(f"{path}/disable")
    refused = await client.post(f"{path}/replay", json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "webhook_disabled")
    assert "enable it" in refused.json()["error"]["message"]
    await client.post(f"{path}/pause")
    for _ in range(replays.RUNNING_MAX):
        assert (await client.post(f"{path}/replay", json=body)).status_code == 202
    refused = await client.post(f"{path}/replay", json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "too_many_replays")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"since": None}, "since"),
        ({"since": "yesterday"}, "since"),
        ({"since": NOW + 86_400.0}, "since is in the future"),
        ({"since": -1}, "since"),
        ({"since": NOW * 1_000}, "since"),
        ({"until": HOUR_AGO}, "until is not after since"),
        ({"until": HOUR_AGO - 5.0}, "until is not after since"),
        ({"until": 1e300}, "until"),
        ({"since": NOW - 91 * 86_400}, "over 90 days apart"),
        ({"select": "everything"}, "select"),
        ({"select": None}, "select"),
        ({"event_types": ["debate_ended"]}, "Is debate_end meant"),
        ({"event_types": "debate_end"}, "event_types"),
        ({"event_types": ["debate_end", "debate_end"]}, "names debate_end twice"),
        ({"event_types": ["debate_end"] * 51}, "event_types"),
        ({"event_types": [7]}, "event_types.0"),
        ({"rate_per_s": 0}, "rate_per_s"),
        ({"rate_per_s": 501}, "rate_per_s"),
        ({"dry_run": "perhaps"}, "dry_run"),
        ({"speed": 5}, "speed"),
    ],
)
async def test_what_makes_no_sense_is_refused_and_nothing_is_stored(
    changes: dict[str, Any], told: str, client: httpx2.AsyncClient, webhook_id: str, rows: Make
) -> None:
    body = {"since": HOUR_AGO, "select": "all"} | changes
    body = {name: value for name, value in body.items() if value is not None}
    refused = await client.post(f"/api/webhooks/{webhook_id}/replay", json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_input"), refused.text
    assert told in refused.json()["error"]["message"]
    assert rows("SELECT * FROM webhook_replays") == []


@pytest.mark.parametrize(
    "odd", ["x", "rpl_1", "rpl_" + "g" * 32, "rpl_" + "0" * 32, "wh_" + "0" * 32, "%00", "a" * 3_000]
)
async def test_an_id_that_no_replay_has_is_as_unknown_as_any(odd: str, client: httpx2.AsyncClient) -> None:
    for method in ("GET", "DELETE"):
        unknown = await client.request(method, f"/api/webhooks/replays/{odd}")
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "not_found")
        assert unknown.json()["error"]["message"].startswith("there is no replay")
        assert len(unknown.json()["error"]["message"]) < 200
    for method, path in (("POST", f"{odd}/replay"), ("GET", f"{odd}/replays")):
        body = {"since": HOUR_AGO, "select": "all"} if method == "POST" else None
        assert (await client.request(method, f"/api/webhooks/{path}", json=body)).status_code == 404
