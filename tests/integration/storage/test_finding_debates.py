"""Debates are found by the beginning of their ids: those of the caller's organisation only, by an index, on both
stores and whatever the collation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pytest
from sqlalchemy import Select, text

from aragora.debate.model import DebateStatus
from aragora.debate.records import DebateUpdate
from aragora.debate.store.debates import DebateStore
from aragora.debate.store.journal_writer import JournalWriter
from aragora.ids import new_id
from aragora.scope import EVERYTHING, Scope
from aragora.storage.database import Database

LOCAL: Final = Scope("local", None)


def debate(digits: str) -> str:
    """An id that begins with these digits."""
    return f"deb_{digits:0<32}"


@pytest.fixture
def store(debates_db: Database) -> DebateStore:
    return DebateStore(debates_db)


@pytest.fixture
async def some(writer: JournalWriter, build: type) -> list[str]:
    """Debates in the order of time; the last is of another organisation. Around those that begin with 01a9 lie ids
    that a wrong upper end of the range, or a linguistic collation, would take along."""
    ids = [debate(digits) for digits in ("01a8f", "01a91", "01a95", "01a99", "01a9f", "01aa", "01b0")]
    for number, debate_id in enumerate(ids):
        await writer.open(build.new_debate(debate_id, created_at=100.0 + number))
    ids.append(debate("01a9b"))
    await writer.open(build.new_debate(ids[-1], created_at=200.0, org_id="other"))
    return ids


async def found(store: DebateStore, beginning: str, scope: Scope = EVERYTHING, **more: Any) -> list[str]:
    return [record.debate_id for record in (await store.page(scope, beginning=beginning, **more)).items]


async def test_those_that_begin_so_are_found_the_newest_first(store: DebateStore, some: list[str]) -> None:
    assert await found(store, "deb_01a9") == [some[7], *some[4:0:-1]]
    assert await found(store, "deb_01a99") == [some[3]]
    assert await found(store, "deb_01af") == []
    for debate_id in some:
        assert await found(store, debate_id) == [debate_id]


async def test_a_debate_of_another_organisation_is_not_found(store: DebateStore, some: list[str]) -> None:
    assert await found(store, "deb_01a9b", LOCAL) == []
    assert await found(store, some[7], LOCAL) == []
    assert await found(store, "deb_01a9", Scope("other", None)) == [some[7]]
    assert await found(store, "deb_01a9", LOCAL) == some[4:0:-1]


async def test_pages_and_states_hold_among_those_that_are_found(
    store: DebateStore, some: list[str], writer: JournalWriter, build: type
) -> None:
    first = await store.page(LOCAL, beginning="deb_01a9", limit=3)
    rest = await store.page(LOCAL, beginning="deb_01a9", limit=3, cursor=first.next_cursor)
    assert [record.debate_id for record in (*first.items, *rest.items)] == some[4:0:-1]
    assert rest.next_cursor is None
    await writer.commit(build.commit(some[2], 2, update=DebateUpdate(status=DebateStatus.ACTIVE)))
    assert await found(store, "deb_01a9", status=DebateStatus.ACTIVE) == [some[2]]


async def test_a_fresh_id_is_found_by_each_of_its_beginnings(
    store: DebateStore, writer: JournalWriter, build: type
) -> None:
    fresh = new_id("deb")
    await writer.open(build.new_debate(fresh))
    for length in range(8, len(fresh) + 1):
        assert await found(store, fresh[:length]) == [fresh]


@pytest.mark.parametrize("scope", [EVERYTHING, LOCAL, Scope("local", frozenset({"default"}))])
async def test_no_search_reads_the_whole_table(scope: Scope, debates_db: Database, some: list[str]) -> None:
    asked = _Asked(debates_db)
    await DebateStore(asked).page(scope, beginning="deb_01a9")
    plan = await plan_of(debates_db, asked.query)
    assert some
    assert "index" in plan.lower()
    assert "scan debates" not in plan.lower()
    assert "seq scan" not in plan.lower()


class _Asked(Database):
    """A database that keeps what it was asked, and finds nothing."""

    query: Select[Any]

    def __init__(self, real: Database) -> None:
        super().__init__(real.location)

    async def rows(self, query: Select[Any], what: str = "") -> Sequence[Any]:
        self.query = query
        return []


async def plan_of(database: Database, query: Select[Any]) -> str:
    """How the database would find the rows of `query`."""
    statement = query.compile(database.engine.sync_engine, compile_kwargs={"literal_binds": True})
    async with database.reading() as connection:
        if not database.is_sqlite:  # which would read a table of eight rows whole, if it may
            await connection.execute(text("SET enable_seqscan = off"))
        explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
        return "\n".join(str(row) for row in await connection.execute(text(f"{explain} {statement}")))
