"""The health of the mound as the runbook shows it: each component is used, and a broken one is seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx2
import pytest
from sqlalchemy import Select, insert, text
from sqlalchemy.dialects import sqlite
from worlds.backends import SetClock
from worlds.knowledge import HOME, addition
from worlds.knowledge_server import Site

from aragora.knowledge.adapting import EVERY
from aragora.knowledge.probing import FRESH_S
from aragora.knowledge.store.adapters import AdapterBook
from aragora.knowledge.store.probes import LATE_S, StoreProbes
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.storage.database import Database
from aragora.storage.outbox_store import OutboxStore
from aragora.storage.tables import outbox

HEALTH = "/api/health/knowledge-mound"


pytestmark = pytest.mark.usefixtures("journals_database")


async def health(client: httpx2.AsyncClient, clock: SetClock) -> dict[str, Any]:
    clock.at += FRESH_S
    answer = await client.get(HEALTH, headers={"Authorization": ""})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_fresh_mound_is_healthy_and_hardly_active(client: httpx2.AsyncClient, clock: SetClock) -> None:
    told = await health(client, clock)
    assert told["status"] == "healthy", told
    assert told["summary"] == {"total_components": 11, "healthy": 11, "active": 0}
    assert len(told["components"]) == 11
    assert told["components"]["control_plane"]["state"] == "works"


async def test_what_is_used_is_active_for_an_hour(
    client: httpx2.AsyncClient, clock: SetClock, writer: KnowledgeWriter
) -> None:
    await writer.write(HOME, [addition("The cache holds.")])
    told = await health(client, clock)
    assert [name for name, one in told["components"].items() if one["active"]] == ["store", "lexical_index", "ledger"]
    assert told["summary"] == {"total_components": 11, "healthy": 11, "active": 3}
    clock.at += 3_600
    assert (await health(client, clock))["summary"]["active"] == 0


@pytest.mark.parametrize(
    ("damage", "component"),
    [
        ("DELETE FROM knowledge_tokens", "lexical_index"),
        ("DELETE FROM knowledge_ledger", "ledger"),
        ("UPDATE knowledge_workspaces SET seq = seq + 1", "ledger"),
    ],
)
async def test_a_broken_part_is_seen(  # noqa: PLR0917
    client: httpx2.AsyncClient,
    clock: SetClock,
    writer: KnowledgeWriter,
    database: Database,
    damage: str,
    component: str,
) -> None:
    await writer.write(HOME, [addition("The cache holds.")])
    async with database.writing() as connection:
        await connection.execute(text(damage))
    told = await health(client, clock)
    assert told["status"] == "degraded"
    assert [name for name, one in told["components"].items() if not one["healthy"]] == [component]


async def test_without_its_store_it_is_unhealthy_and_tells_nothing_else(
    client: httpx2.AsyncClient, clock: SetClock, database: Database
) -> None:
    async with database.writing() as connection:
        await connection.execute(text("ALTER TABLE knowledge_applied RENAME TO away"))
    try:
        told = await health(client, clock)
    finally:
        async with database.writing() as connection:
            await connection.execute(text("ALTER TABLE away RENAME TO knowledge_applied"))
    assert told["status"] == "unhealthy"
    assert told["components"]["store"] == {"state": "fails", "healthy": False, "active": False, "used_s_ago": None}


async def test_the_oldest_lag_of_the_adapters_is_shown_and_fails_when_it_is_old(
    client: httpx2.AsyncClient, clock: SetClock, journals_database: Database
) -> None:
    async with journals_database.writing() as connection:
        row = {"outbox_id": "deb_1:knowledge", "topic": "knowledge", "debate_id": "deb_1", "payload": "{}"}
        await connection.execute(insert(outbox).values(**row, created_at=clock.at - 60.0))
    told = (await health(client, clock))["components"]["adapters"]
    assert (told["state"], told["adapters"], told["waiting"]) == ("works", len(EVERY), 1)
    assert told["oldest_waiting_s"] == 60.0 + FRESH_S
    clock.at += LATE_S
    told = await health(client, clock)
    assert (told["status"], told["components"]["adapters"]["state"]) == ("degraded", "fails")
    assert "deb_1" not in str(told)


async def test_it_is_looked_at_once_for_all_who_ask(
    client: httpx2.AsyncClient, clock: SetClock, writer: KnowledgeWriter
) -> None:
    first = await health(client, clock)
    await writer.write(HOME, [addition("The cache holds.")])
    assert (await client.get(HEALTH)).json() == first
    assert await health(client, clock) != first


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
async def test_no_look_reads_a_whole_table(
    database: Database,
    journals_database: Database,
    writer: KnowledgeWriter,
    clock: SetClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the public route costs must not grow with what is known: whatever it reads has an index or a limit."""
    await writer.write(HOME, [addition("The cache holds.")])
    book = AdapterBook(database, OutboxStore(journals_database), clock)
    probes = StoreProbes(database, book, clock, EVERY)
    asked: list[str] = []
    read = database.rows

    async def noting(query: Select[Any], what: str = "") -> Sequence[Any]:
        asked.append(str(query.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})))
        return await read(query, what)

    monkeypatch.setattr(database, "rows", noting)
    for look in (probes.store, probes.lexical_index, probes.ledger, probes.contradictions, probes.adapters):
        await look()
    assert len(asked) > 8
    scans: list[str] = []
    async with database.reading() as connection:
        for statement in asked:
            if "LIMIT" not in statement:
                plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}")
                scans += [row[-1] for row in plan if row[-1].startswith("SCAN knowledge_")]
    assert scans == []


async def test_no_text_and_no_name_is_told(
    site: Site, client: httpx2.AsyncClient, clock: SetClock, writer: KnowledgeWriter
) -> None:
    await writer.write(HOME, [addition("The secret cache holds.")])
    told = str(await health(client, clock))
    assert not [word for word in ("secret", "acme", "default", "deb_1") if word in told]
