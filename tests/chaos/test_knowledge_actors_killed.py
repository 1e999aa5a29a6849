"""On a running server the actors of adapters and of the index die again and again while debates end: everything is
learnt, once, and every item gets its vector."""

from __future__ import annotations

import asyncio
import random
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from chaos.conftest import Tally
from sqlalchemy import select
from worlds import chaos_strikes as strikes
from worlds.live_server import LiveServer, running
from worlds.server_processes import named

from aragora.clock import SystemClock
from aragora.config.settings import Settings
from aragora.debate.store.debates import DebateStore
from aragora.knowledge.learning import ADAPTERS, Learning
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.rows import item_of
from aragora.knowledge.store.tables import knowledge_items
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRow

pytestmark = [pytest.mark.slow, pytest.mark.chaos, pytest.mark.timeout(600)]

ADAPTER = "ray::KnowledgeAdapterActor"
INDEX = "ray::MoundIndexActor"
STRIKES = 4
END_S = 180.0

Known = dict[str, tuple[str, str, tuple[str, ...]]]


async def known(database: Database) -> Known:
    """What each item says, how it stands, and whose word it is."""
    items = [item_of(row.item) for row in await database.rows(select(knowledge_items.c.item), "reading items")]
    return {
        item.item_id: (item.statement.content, item.status, tuple(sorted(one.root for one in item.sources)))
        for item in items
    }


async def as_never_killed(data_dir: Path, empty: Path, opened: list[str]) -> tuple[Known, Known]:
    """What the server knows, and what the journals teach a store of their own."""
    there, anew = Settings(data_dir=data_dir), Settings(data_dir=empty)
    memory, debates = Database.open(there, Context.MEMORY), Database.open(there, Context.DEBATES)
    other = Database.open(anew, Context.MEMORY)
    rows = [OutboxRow(f"{debate_id}:knowledge", "knowledge", debate_id, "{}", 1.0) for debate_id in opened]
    for name in ADAPTERS:
        reader, writer = KnowledgeReader(other), KnowledgeWriter(other, SystemClock())
        await Learning(name, DebateStore(debates), reader, writer).learn(rows)
    found = await known(memory), await known(other)
    for database in (memory, debates, other):
        await database.aclose()
    return found


def strike(server: LiveServer, data_dir: Path, name: str) -> bool:
    """Kill it, where it has a process."""
    if not named(data_dir, name):
        return False
    strikes.kill(data_dir, name)
    return True


def test_actors_of_the_mound_that_are_killed_under_load_lose_nothing_and_learn_nothing_twice(
    migrated: Path, tmp_path: Path, tally: Tally
) -> None:
    empty = tmp_path / "empty"
    shutil.copytree(migrated, empty)
    data_dir, chance, struck = tmp_path / "data", random.Random(14), 0
    with running(data_dir, ARAGORA_STUB_LATENCY_MS="100", ARAGORA_LOG_LEVEL="WARNING") as server:
        opened: list[str] = []
        deadline = time.monotonic() + END_S
        while struck < STRIKES and time.monotonic() < deadline:
            question = f"How many replicas does cache number {len(opened)} need?"
            opened.append(server.debate(question=question, rounds=1, knowledge=False))
            server.request("GET", "/api/knowledge/search?q=replicas")  # so the index has a process, and items to embed
            time.sleep(chance.uniform(0.05, 0.4))  # the moment of the blow, not a wait
            name = (ADAPTER, INDEX)[struck % 2]
            if strike(server, data_dir, name):
                struck += 1
                tally.struck(f"{name} killed")
        for debate_id in opened:
            assert server.ended(debate_id, END_S)["status"] == "completed"

        def learnt() -> bool:
            shown = server.get("/api/health/knowledge-mound")["components"]["adapters"]
            return shown["healthy"] and shown["oldest_waiting_s"] == 0.0

        def embedded() -> dict[str, Any] | None:
            answer = server.get("/api/knowledge/search?q=replicas&mode=hybrid&limit=100")
            return answer if answer["mode"] == "hybrid" and answer["waiting"] == 0 else None

        server.until(learnt, END_S)
        assert server.until(embedded, END_S)["results"]
        assert server.get("/api/health/knowledge-mound")["status"] == "healthy"
    found, expected = asyncio.run(as_never_killed(data_dir, empty, opened))
    assert struck == STRIKES
    assert len(opened) >= STRIKES
    assert found == expected
    assert len(found) >= len(opened)
