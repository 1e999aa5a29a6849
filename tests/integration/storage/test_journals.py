"""One suite for what every journal promises: memory, SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from worlds.backends import copied_database
from worlds.memory_engine import MemoryJournal
from worlds.migrated import migrated
from worlds.waiting import WAIT_S

from aragora.config.settings import Settings
from aragora.debate.model import DebateStatus
from aragora.debate.records import ChainHead, Commit, Conclusion, DebateUpdate, ReceiptRecord
from aragora.debate.store.debates import DebateStore
from aragora.debate.store.journal_writer import JournalWriter
from aragora.errors import Fenced
from aragora.storage.contexts import Context
from aragora.storage.database import Database


@dataclass(frozen=True)
class Journal:
    """What the engine writes to, and what it reads from."""

    writer: Any
    reader: Any


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    if request.param == "memory":
        memory = MemoryJournal()
        yield Journal(memory, memory)
        return
    settings = Settings(data_dir=tmp_path)
    if request.param == "postgresql":
        url = await copied_database(request.getfixturevalue("migrated_url"))
        settings = Settings(data_dir=tmp_path, database_url=SecretStr(url), db_pool_timeout=WAIT_S)
    else:
        migrated(settings)
    database = Database.open(settings, Context.DEBATES)
    writer = JournalWriter(database)
    yield Journal(writer, DebateStore(database))
    await writer.aclose()
    await database.aclose()


def conclusion(build: Any, debate_id: str, seq: int, heads: list[ChainHead]) -> Conclusion:
    def issue(head: ChainHead) -> tuple[ReceiptRecord, Commit]:
        heads.append(head)
        position = head.position + 1
        receipt = ReceiptRecord(f"rcp_{debate_id}", debate_id, position, f"{position:064x}", head.hash, "{}", 200.0)
        return receipt, build.commit(debate_id, seq, update=DebateUpdate(status=DebateStatus.COMPLETED))

    return Conclusion(debate_id, issue)


async def test_rows_come_back_in_the_order_of_their_seqs(journal: Journal, build: Any) -> None:
    opened = await journal.writer.open(build.new_debate("d1"))
    assert (opened.created, opened.record.debate_id) == (True, "d1")
    await journal.writer.commit(build.commit("d1", 2, 4))
    await journal.writer.commit(build.commit("d1", 5))
    assert await journal.reader.journal("d1") == [f'{{"seq":{seq}}}' for seq in range(1, 6)]


@pytest.mark.parametrize("first", [1, 2, 4], ids=["the opening again", "a row that is there", "a gap"])
async def test_rows_that_do_not_follow_the_last_one_are_fenced_and_not_written(
    first: int, journal: Journal, build: Any
) -> None:
    await journal.writer.open(build.new_debate("d1"))
    await journal.writer.commit(build.commit("d1", 2))
    with pytest.raises(Fenced):
        await journal.writer.commit(build.commit("d1", first, first + 2))
    assert await journal.reader.journal("d1") == ['{"seq":1}', '{"seq":2}']
    await journal.writer.commit(build.commit("d1", 3))


async def test_of_two_commits_of_the_same_seq_one_is_written(journal: Journal, build: Any) -> None:
    await journal.writer.open(build.new_debate("d1"))
    ends = await asyncio.gather(
        *(journal.writer.commit(build.commit("d1", 2)) for _ in range(2)), return_exceptions=True
    )
    assert sorted(type(end).__name__ for end in ends) == ["Fenced", "NoneType"]
    assert await journal.reader.journal("d1") == ['{"seq":1}', '{"seq":2}']


async def test_debates_are_apart(journal: Journal, build: Any) -> None:
    await asyncio.gather(*(journal.writer.open(build.new_debate(one)) for one in ("d1", "d2")))
    await journal.writer.commit(build.commit("d1", 2))
    with pytest.raises(Fenced):
        await journal.writer.commit(build.commit("d2", 3))
    await journal.writer.commit(build.commit("d2", 2))
    assert await journal.reader.journal("nothing") == []


async def test_receipts_are_one_chain_in_the_order_of_the_ends(journal: Journal, build: Any) -> None:
    heads: list[ChainHead] = []
    for debate_id in ("d1", "d2", "d3"):
        await journal.writer.open(build.new_debate(debate_id))
    for debate_id in ("d1", "d2", "d3"):
        receipt = await journal.writer.conclude(conclusion(build, debate_id, 2, heads))
        assert receipt.receipt_id == f"rcp_{debate_id}"
    assert [head.position for head in heads] == [0, 1, 2]
    assert [head.hash for head in heads[1:]] == [f"{position:064x}" for position in (1, 2)]


async def test_a_fenced_end_leaves_the_chain_alone(journal: Journal, build: Any) -> None:
    heads: list[ChainHead] = []
    await journal.writer.open(build.new_debate("d1"))
    with pytest.raises(Fenced):
        await journal.writer.conclude(conclusion(build, "d1", 3, heads))
    await journal.writer.conclude(conclusion(build, "d1", 2, heads))
    assert [head.position for head in heads] == [0, 0]


async def test_debates_that_have_not_ended_are_told_oldest_first(journal: Journal, build: Any) -> None:
    for number, debate_id in enumerate(("d1", "d2", "d3", "d4")):
        await journal.writer.open(build.new_debate(debate_id, created_at=100.0 + number))
    await journal.writer.conclude(conclusion(build, "d2", 2, []))
    for debate_id, status in (("d3", DebateStatus.ACTIVE), ("d4", DebateStatus.CANCELLED)):
        await journal.writer.commit(replace(build.commit(debate_id, 2), update=DebateUpdate(status=status)))
    assert await journal.reader.unfinished() == ["d1", "d3"]


async def test_a_journal_that_is_closed_twice_is_closed_once(journal: Journal, build: Any) -> None:
    await journal.writer.open(build.new_debate("d1"))
    for _ in range(2):
        await journal.writer.aclose()
