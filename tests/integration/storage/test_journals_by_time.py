"""Reading what happened in an organisation in a stretch of time, as replays do, on both stores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Select, text

from aragora.debate.journal import row_of
from aragora.debate.model import DebateEnded, DebateStatus
from aragora.debate.records import JournalRow
from aragora.debate.store.debates import DebateStore, Row, Span
from aragora.debate.store.journal_writer import JournalWriter
from aragora.storage.database import Database

TYPES = ("debate_end", "consensus")


@pytest.fixture
def store(debates_db: Database) -> DebateStore:
    return DebateStore(debates_db)


async def test_debates_of_an_organisation_come_in_the_order_of_their_beginning(
    store: DebateStore, writer: JournalWriter, build: type
) -> None:
    for debate_id, at, org_id in (("d1", 5.0, "local"), ("d3", 7.0, "local"), ("d2", 7.0, "local"), ("d4", 6.0, "x")):
        await writer.open(build.new_debate(debate_id, created_at=at, org_id=org_id))
    first = await store.began("local", None, 100.0, 2)
    assert [(one.debate_id, one.began_at) for one in first] == [("d1", 5.0), ("d2", 7.0)]
    assert all(isinstance(one, Span) and one.updated_at >= one.began_at for one in first)
    rest = await store.began("local", (first[-1].began_at, first[-1].debate_id), 100.0, 2)
    assert [one.debate_id for one in rest] == ["d3"]
    assert [one.debate_id for one in await store.began("local", None, 7.0, 9)] == ["d1"]


async def test_events_of_a_debate_are_chosen_by_type_and_time_and_a_damaged_one_is_told(
    store: DebateStore, debates_db: Database
) -> None:
    end = DebateEnded(DebateStatus.COMPLETED, "decided", 3, 0.25)
    rows = [row_of("d1", seq, 100.0 + seq, end) for seq in range(1, 6)]
    await _write(debates_db, rows)
    async with debates_db.writing() as connection:
        await connection.execute(text("UPDATE journal SET payload = '{}' WHERE seq = 3"))
        await connection.execute(text("UPDATE journal SET type = 'vote' WHERE seq = 4"))

    found = await store.happened("d1", TYPES, since=102.0, until=105.0, after=0, limit=9)
    assert found == [Row(2, 102.0, rows[1].payload), Row(3, 103.0, None)]
    assert await store.happened("d1", TYPES, since=0.0, until=1e9, after=2, limit=1) == [Row(3, 103.0, None)]
    assert await store.happened("unknown", TYPES, since=0.0, until=1e9, after=0, limit=9) == []


async def test_neither_reads_a_whole_table(debates_db: Database) -> None:
    asked = _Asked(debates_db)
    await asked.store.began("local", (1.0, "d1"), 9.0, 10)
    await asked.store.happened("d1", TYPES, since=0.0, until=9.0, after=2, limit=10)
    for query, index in zip(asked.queries, ("debates_by_org", "journal"), strict=True):
        plan = (await _plan(debates_db, query)).lower()
        assert index in plan
        assert "seq scan" not in plan
        assert "scan journal" not in plan
        assert "b-tree" not in plan, "found in their order"


class _Asked(Database):
    """A database that keeps what it was asked, and finds nothing."""

    def __init__(self, real: Database) -> None:
        super().__init__(real.location)
        self.queries: list[Select[Any]] = []
        self.store = DebateStore(self)

    async def rows(self, query: Select[Any], what: str = "") -> Sequence[Any]:
        self.queries.append(query)
        return []


async def _write(database: Database, rows: Sequence[JournalRow]) -> None:
    async with database.writing() as connection:
        for row in rows:
            values = {"d": row.debate_id, "s": row.seq, "t": row.type, "p": row.payload, "a": row.at}
            insert = "INSERT INTO journal (debate_id, seq, type, payload, at) VALUES (:d, :s, :t, :p, :a)"
            await connection.execute(text(insert), values)


async def _plan(database: Database, query: Select[Any]) -> str:
    """How the database would find the rows of `query`."""
    statement = query.compile(database.engine.sync_engine, compile_kwargs={"literal_binds": True})
    async with database.reading() as connection:
        if not database.is_sqlite:  # which would read an empty table whole, if it may
            await connection.execute(text("SET enable_seqscan = off"))
        explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
        return "\n".join(str(row[-1]) for row in await connection.exec_driver_sql(f"{explain} {statement}"))
