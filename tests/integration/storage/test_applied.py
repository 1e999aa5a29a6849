"""Forgetting which outbox rows were applied: only those that are gone from the outbox, and only after a month."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import event, insert, select

from aragora.debate.records import Commit
from aragora.debate.store.journal_writer import JournalWriter
from aragora.storage.applied import BATCH, KEPT_S, newly_applied, prune_applied, pruning
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRow
from aragora.storage.outbox_store import OutboxStore
from aragora.usage.store import usage_applied

NOW = 1_000_000_000.0
LONG_AGO = NOW - KEPT_S - 1.0


@dataclass
class Time:
    at: float = NOW

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


@dataclass
class World:
    usage: Database
    outbox: OutboxStore

    async def applied(self, at: float | None, *outbox_ids: str) -> None:
        rows = [{"outbox_id": outbox_id, "applied_at": at} for outbox_id in outbox_ids]
        async with self.usage.writing() as connection:
            await connection.execute(insert(usage_applied), rows)

    async def ids(self) -> set[str]:
        return {row[0] for row in await self.usage.rows(select(usage_applied.c.outbox_id))}

    async def prune(self, now: float = NOW) -> int:
        return await prune_applied(self.usage, usage_applied, self.outbox, now)


@pytest.fixture
async def world(opened: Callable[[Context], Database], debates_db: Database) -> World:
    return World(opened(Context.USAGE), OutboxStore(debates_db))


async def test_an_id_is_forgotten_a_month_after_it_was_applied(world: World) -> None:
    await world.applied(LONG_AGO, "old")
    await world.applied(NOW - KEPT_S + 1.0, "new")
    assert await world.prune() == 1
    assert await world.ids() == {"new"}


async def test_an_id_whose_outbox_row_waits_is_kept_however_old_it_is(
    world: World, writer: JournalWriter, build: type
) -> None:
    row = OutboxRow("deb_1:usage", "usage", "deb_1", "{}", 100.0)
    await writer.open(build.new_debate("deb_1"))
    await writer.commit(Commit("deb_1", build.rows("deb_1", 2, 2), outbox=(row,)))
    await world.applied(LONG_AGO, "deb_1:usage", "deb_2:usage")
    assert await world.prune() == 1
    assert await world.ids() == {"deb_1:usage"}

    await writer.done(["deb_1:usage"])
    assert await world.prune() == 1
    assert await world.ids() == set()


async def test_an_id_from_before_times_were_noted_gets_a_month_from_the_first_pruning(world: World) -> None:
    await world.applied(None, "old")
    assert await world.prune() == 0
    assert await world.prune(NOW + KEPT_S) == 0
    assert await world.prune(NOW + KEPT_S + 1.0) == 1


async def test_more_ids_without_a_time_than_a_batch_get_it_in_transactions_of_a_batch(world: World) -> None:
    await world.applied(None, *(f"deb_{number}:usage" for number in range(2 * BATCH + 10)))
    changed: list[int] = []

    def count(_connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("UPDATE"):
            changed.append(cursor.rowcount)

    engine = world.usage.engine.sync_engine
    event.listen(engine, "after_cursor_execute", count)
    assert await world.prune() == 0
    event.remove(engine, "after_cursor_execute", count)
    assert changed == [BATCH, BATCH, 10]
    assert await world.prune(NOW + KEPT_S + 1.0) == 2 * BATCH + 10


async def test_more_ids_than_a_batch_go_in_one_pruning_also_where_they_share_a_time(
    world: World, writer: JournalWriter, build: type
) -> None:
    await world.applied(LONG_AGO, *(f"deb_{number}:usage" for number in range(2 * BATCH + 10)))
    waiting = OutboxRow("deb_0:usage", "usage", "deb_0", "{}", 100.0)
    await writer.open(build.new_debate("deb_0"))
    await writer.commit(Commit("deb_0", build.rows("deb_0", 2, 2), outbox=(waiting,)))
    assert await world.prune() == 2 * BATCH + 9
    assert await world.ids() == {"deb_0:usage"}


async def test_what_is_applied_now_is_pruned_by_the_job_a_month_later(world: World) -> None:
    time = Time()
    async with world.usage.writing() as connection:
        assert await newly_applied(world.usage, connection, usage_applied, ["deb_1:usage"], time) == ["deb_1:usage"]
    job = pruning(world.usage, usage_applied, world.outbox, time)
    assert await job.run() == "forgot 0 applied outbox rows"
    time.at += KEPT_S + 1.0
    assert await job.run() == "forgot 1 applied outbox rows"
