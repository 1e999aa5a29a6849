"""The rounds of an adapter: counted, noted, one sync at a time, and no row that spoils the others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from worlds.backends import SetClock

from aragora.errors import Unavailable
from aragora.knowledge.lessons import Lessons
from aragora.knowledge.syncing import FAILURES, PORTION, REFUSED, SYNC_S, SYNCS, Syncing
from aragora.knowledge.syncs import Learnt, Outcome, Round, Standing
from aragora.observability.registry import Registry
from aragora.storage.outbox import OutboxRow


def row(number: int) -> OutboxRow:
    return OutboxRow(f"deb_{number}:knowledge", "knowledge", f"deb_{number}", "{}", float(number))


class Adapter:
    """Learns one item of each debate, but for those that are `broken`."""

    def __init__(self, clock: SetClock) -> None:
        self.clock = clock
        self.broken: dict[str, Exception] = {}
        self.learnt: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.takes_s = 0.0

    async def learn(self, rows: Sequence[OutboxRow], lessons: Lessons | None = None) -> Learnt:
        await self.gate.wait()
        for one in rows:
            if one.debate_id in self.broken:
                raise self.broken[one.debate_id]
            self.clock.at += self.takes_s
            self.learnt.append(one.debate_id)
        return Learnt(len(rows), added=len(rows), gathered=len(rows))


class Book:
    """What waits, and what was noted."""

    def __init__(self) -> None:
        self.waiting: list[OutboxRow] = []
        self.noted: list[tuple[Round, float | None]] = []
        self.away = False

    async def note(self, adapter: str, done: Round, cursor_at: float | None) -> None:
        if self.away:
            raise Unavailable("the store is away")
        self.noted.append((done, cursor_at))

    async def left(self, adapter: str) -> list[OutboxRow]:
        return self.waiting

    async def standings(self, adapters: Sequence[str]) -> list[Standing]:
        return [Standing(adapter, 2, 7.0) for adapter in adapters]


class World:
    def __init__(self) -> None:
        self.clock, self.registry = SetClock(), Registry()
        self.adapter, self.book = Adapter(self.clock), Book()
        self.syncing = Syncing("evidence", self.adapter, self.book, self.clock, self.registry)

    def counted(self, name: str) -> float:
        deltas = self.registry.drain()
        self.registry.restore(deltas)
        return sum(one.amount for one in deltas if one.sample == name)


@pytest.fixture
def world() -> World:
    return World()


async def test_what_the_outbox_brings_is_a_round_that_is_counted_and_noted(world: World) -> None:
    learnt = await world.syncing.learn([row(1), row(3), row(2)])
    assert learnt.written == 3
    ((done, cursor_at),) = world.book.noted
    assert (done.outcome, done.debates, done.written, cursor_at) == (Outcome.DONE, 3, 3, 3.0)
    assert (world.counted(SYNCS), world.counted(FAILURES)) == (1.0, 0.0)


async def test_a_round_that_fails_is_counted_and_its_cursor_stays(world: World) -> None:
    world.adapter.broken["deb_2"] = Unavailable("the store is away")
    with pytest.raises(Unavailable):
        await world.syncing.learn([row(1), row(2)])
    ((done, cursor_at),) = world.book.noted
    assert (done.outcome, cursor_at) == (Outcome.FAILED, None)
    assert (world.counted(SYNCS), world.counted(FAILURES)) == (0.0, 1.0)


async def test_a_round_that_cannot_be_noted_is_not_undone(world: World) -> None:
    world.book.away = True
    assert (await world.syncing.learn([row(1)])).written == 1


async def test_a_sync_works_off_what_waits_and_tells_it(world: World) -> None:
    world.book.waiting = [row(1), row(2)]
    done = await world.syncing.sync()
    assert (done.adapter, done.debates, done.gathered, done.written, done.skipped) == ("evidence", 2, 2, 2, {})
    assert (done.backlog, done.lag_s) == (2, 7.0)
    assert world.adapter.learnt == ["deb_1", "deb_2"]


async def test_a_row_that_cannot_be_learnt_from_stops_no_other_and_is_told(world: World) -> None:
    world.book.waiting = [row(1), row(2), row(3)]
    world.adapter.broken["deb_3"] = ValueError("no adapter can read this")
    done = await world.syncing.sync()
    assert (done.written, done.skipped) == (2, {REFUSED: 1})
    assert world.adapter.learnt[-2:] == ["deb_1", "deb_2"]  # each by itself, once the portion was refused
    assert world.book.noted[0][1] == 2.0


async def test_where_the_store_is_away_a_sync_fails_and_what_it_had_stored_is_noted(world: World) -> None:
    world.book.waiting = [row(number) for number in range(PORTION + 3)]
    world.adapter.broken[f"deb_{PORTION + 1}"] = Unavailable("the store is away")
    with pytest.raises(Unavailable):
        await world.syncing.sync()
    ((done, cursor_at),) = world.book.noted
    assert (done.outcome, done.written, cursor_at) == (Outcome.FAILED, PORTION, PORTION - 1.0)


async def test_a_sync_ends_in_time_and_leaves_the_rest(world: World) -> None:
    world.book.waiting = [row(number) for number in range(100)]
    world.adapter.takes_s = SYNC_S / (2 * PORTION)
    assert (await world.syncing.sync()).debates == 2 * PORTION


async def test_whoever_asks_while_one_runs_gets_what_that_one_does(world: World) -> None:
    world.book.waiting = [row(1)]
    world.adapter.gate.clear()
    first, second = asyncio.create_task(world.syncing.sync()), asyncio.create_task(world.syncing.sync())
    leaves = asyncio.create_task(world.syncing.sync())
    while world.syncing._running is None:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    leaves.cancel()
    world.adapter.gate.set()
    assert await first == await second
    assert world.adapter.learnt == ["deb_1"]
    await world.syncing.sync()
    assert world.adapter.learnt == ["deb_1", "deb_1"]
