"""The store of the Knowledge Mound is full, or away: what cannot be kept is refused, what can be read is, learning
waits, the health says so, and nothing is missing afterwards. No debate needs the mound: that is shown in
`tests/unit/debate/running/test_knowledge_of_engine.py`."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from chaos.conftest import Tally
from pydantic import SecretStr
from worlds.backends import SetClock, copied_database
from worlds.chaos_strikes import files_not_beyond
from worlds.knowledge_lives import Journals
from worlds.knowledge_server import knowledge_site
from worlds.meanings_away import NoMeanings
from worlds.postgres_process import start, stop
from worlds.taught import spec
from worlds.waiting import eventually

from aragora.config.settings import Settings
from aragora.errors import Unavailable
from aragora.knowledge.heeding import heeding_over
from aragora.knowledge.learning import Learning
from aragora.knowledge.memories import Memories
from aragora.knowledge.probing import FRESH_S
from aragora.knowledge.searching import Searching
from aragora.knowledge.source import MoundSource
from aragora.knowledge.store.observations import Observations
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRow

pytestmark = [pytest.mark.slow, pytest.mark.chaos, pytest.mark.timeout(300)]

ITEMS = "/api/knowledge/items"
SEARCH = "/api/knowledge/search?mode=lexical&q=machine"
HEALTH = "/api/health/knowledge-mound"


@contextmanager
def full(data_dir: Path) -> Iterator[None]:
    """No file grows for the block. A reader that looks at the past keeps the log from beginning anew."""
    file = data_dir / f"{Context.MEMORY}.db"
    with closing(sqlite3.connect(file)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM knowledge_items").fetchall()
        log = file.with_name(f"{file.name}-wal")
        with files_not_beyond(log.stat().st_size, [os.getpid()]):
            yield


@contextmanager
def killed(postgres: Any) -> Iterator[None]:
    stop(postgres, signal.SIGKILL)
    try:
        yield
    finally:
        start(postgres)


@dataclass
class Trouble:
    """What happens to the store of the settings, and whether it can be read meanwhile."""

    name: str
    settings: Settings
    outage: AbstractContextManager[None]
    reads: bool


@pytest.fixture(params=["the disk is full", "PostgreSQL is killed"])
def trouble(request: pytest.FixtureRequest, migrated: Path, tmp_path: Path) -> Trouble:
    shutil.copytree(migrated, tmp_path / "data")
    settings = Settings(data_dir=tmp_path / "data", db_pool_timeout=2.0)
    if request.param == "the disk is full":
        return Trouble(request.param, settings, full(settings.data_dir), reads=True)
    url = asyncio.run(copied_database(request.getfixturevalue("migrated_url")))
    settings = settings.model_copy(update={"database_url": SecretStr(url)})
    return Trouble(request.param, settings, killed(request.getfixturevalue("postgres")), reads=False)


async def test_in_trouble_nothing_is_half_kept_and_afterwards_nothing_is_missing(
    trouble: Trouble, tally: Tally
) -> None:
    settings = trouble.settings
    clock, memory = SetClock(), Database.open(settings, Context.MEMORY)
    reader, writer = KnowledgeReader(memory), KnowledgeWriter(memory, clock)
    learning = Learning("consensus", Journals(), reader, writer, heeding_over(memory, writer))
    debates = MoundSource(reader, Searching(reader, NoMeanings(), clock), Memories(Observations(memory), clock), clock)
    rows = [OutboxRow("deb_1:knowledge", "knowledge", "deb_1", "{}", 1.0)]

    async with knowledge_site(settings, clock) as site, site.client("ann") as client:

        async def health() -> str:
            clock.at += FRESH_S
            return str((await client.get(HEALTH)).json()["status"])

        many = [{"content": f"The cache of machine {number} holds."} for number in range(300)]
        assert (await client.post(ITEMS, json={"items": many})).status_code == 200
        assert (await learning.learn([])).debates == 0
        with trouble.outage:
            refused = [await client.post(ITEMS, json={"content": f"New {number}."}) for number in range(2)]
            refused.append(await client.post(ITEMS, json={"items": many}, headers={"Idempotency-Key": "again"}))
            assert [answer.status_code for answer in refused] == [503] * 3, refused[0].text
            found = await client.get(SEARCH)
            assert found.status_code == (200 if trouble.reads else 503), found.text
            assert await health() == "unhealthy"
            with pytest.raises(Unavailable):
                await learning.learn(rows)
            (offer,) = await asyncio.gather(debates.offer(spec()), return_exceptions=True)
            assert isinstance(offer, Unavailable) is not trouble.reads, offer

        async def added() -> httpx2.Response | None:
            answer = await client.post(ITEMS, json={"content": "New 0."})
            return answer if answer.status_code == 201 else None

        assert await eventually(added, "the store is back")
        assert await eventually(lambda: _is(health, "healthy"), "the health says so")
        learnt = await learning.learn(rows)
        assert learnt.added > 0
        assert (await learning.learn(rows)).added == 0
        lines = (await client.get("/api/knowledge/export")).text.splitlines()
        assert len(lines) == len(many) + 1
        assert len((await client.get(SEARCH)).json()["results"]) == 10
    await memory.aclose()
    tally.struck(f"knowledge: {trouble.name}")


async def _is(told: Any, expected: str) -> bool:
    return bool(await told() == expected)
