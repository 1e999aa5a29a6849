"""A dispatcher of webhooks whose store is away, whose clock is set back, or which was cut off and comes back: nothing
is lost, and nothing is sent whose outcome nobody could store."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from chaos.conftest import Tally
from worlds import chaos_strikes as strikes
from worlds.postgres_process import start, stop
from worlds.waiting import wait_until
from worlds.webhook_arrivals import Arrival, Held
from worlds.webhook_invariants import read
from worlds.webhook_lives import QUICK, SLOTS, Life, WebhookWorld

pytestmark = [pytest.mark.slow, pytest.mark.chaos, pytest.mark.timeout(180)]

HOUR_S = 3_600.0
BOTH = pytest.mark.parametrize("world", ["sqlite", "postgres"], indirect=True)


@contextmanager
def store_away(request: pytest.FixtureRequest, world: WebhookWorld, life: Life) -> Iterator[str]:
    """PostgreSQL is killed, or SQLite's disk is full, for the block; what the log says of it."""
    if world.settings.database_url is None:
        size = (world.settings.data_dir / "webhooks.db-wal").stat().st_size // 2
        with strikes.files_not_beyond(max(1, size), [life.pid]):
            yield "disk full"
        return
    server = request.getfixturevalue("postgres")
    stop(server, signal.SIGKILL)
    try:
        yield "PostgreSQL killed"
    finally:
        start(server)


def held_at_many(world: WebhookWorld) -> Held:
    """More endpoints than there are slots for, whose answers wait."""
    held = Held()
    for number in range(SLOTS // QUICK.max_in_flight + 2):
        world.register(f"held{number}")
        world.arrivals.answering[f"held{number}"] = held
    return held


def closed(world: WebhookWorld, life: Life, tally: Tally, fault: str) -> None:
    """Everything ends; the life stops, and leaves nothing open; then all is as it must be."""
    world.over()
    assert life.stop() == 0
    assert not world.note("clean stop").open
    found = world.found()
    tally.struck(f"webhooks: {fault}")
    tally.delivered(world.settings.data_dir, found)
    assert not found.problems(), "\n".join(found.problems()[:20])


@BOTH
def test_while_the_store_is_away_nothing_more_is_sent_and_afterwards_nothing_is_missing(
    request: pytest.FixtureRequest, world: WebhookWorld, tally: Tally
) -> None:
    held = held_at_many(world)
    life = world.begin()
    life.hears("ready")
    world.open(life, 3)
    wait_until(lambda: len(world.arrivals.requests) == SLOTS, "all slots are taken")
    with store_away(request, world, life) as fault:
        held.let_go()
        wait_until(lambda: len(world.arrivals.answered) == SLOTS, "all were answered")
        life.do("open", "deb_while_it_is_away")
        life.hears("failed")
        assert len(world.arrivals.requests) == SLOTS, "nobody could store what becomes of more"
        log = world.settings.data_dir / "logs" / "server.log"
        wait_until(lambda: "outcome is not stored yet" in log.read_text(), "the log says why nothing is sent")
    world.opened(life, 1)
    closed(world, life, tally, fault)
    assert len(world.arrivals.requests) == len({one.key for one in world.arrivals.requests})


@BOTH
def test_a_dispatcher_that_was_cut_off_stores_nothing_when_it_comes_back(world: WebhookWorld, tally: Tally) -> None:
    held = held_at_many(world)
    zombie = world.begin()
    zombie.hears("ready")
    world.opened(zombie, 3)
    wait_until(lambda: len(world.arrivals.requests) == SLOTS, "all slots are taken")
    files = [world.settings.data_dir / name for name in ("debates.db", "webhooks.db")]
    strikes.freeze(zombie.pid, files if world.settings.database_url is None else [])
    blow = world.note("zombie")
    assert len(blow.open) == SLOTS
    held.let_go()

    successor = world.begin()
    successor.hears("ready")
    world.over()
    before, sent = asyncio.run(read(world.settings)), len(world.arrivals.requests)
    strikes.thaw(zombie.pid)
    zombie.do("fenced")
    zombie.hears("fenced")
    zombie.do("open", "deb_of_the_zombie")
    zombie.hears("failed")
    assert asyncio.run(read(world.settings)) == before
    zombie.end()
    late = [one.key for one in world.arrivals.requests[sent:]]
    assert len(late) + len(blow.open) <= SLOTS, "it had as many slots, and none of them was free again"
    world.opened(successor, 1)
    closed(world, successor, tally, "zombie dispatcher")


def test_a_clock_set_back_an_hour_holds_nothing_up(world: WebhookWorld, tally: Tally) -> None:
    slow = replace(QUICK, base_s=0.3, max_s=0.3)
    world.register("fine")
    world.register("flaky", rules=slow)
    world.arrivals.answering["flaky"] = lambda one: 503 if one.attempt == 1 else 200
    life = world.begin()
    life.hears("ready")
    world.opened(life, 2)
    wait_until(lambda: world.arrivals.of("flaky"), "a retry is due")
    life.do("clock", -HOUR_S)
    world.opened(life, 2)
    wait_until(lambda: sum(stamp_of(one) < one.wall - HOUR_S / 2 for one in list(world.arrivals.requests)) >= 4)
    closed(world, life, tally, "clock set back")
    for one in world.arrivals.requests:
        off = one.wall - stamp_of(one)
        assert min(abs(off), abs(off - HOUR_S)) < 30.0, "signed with the time that the wall clock showed"


def test_a_clock_that_shows_less_at_the_next_start_holds_nothing_up(world: WebhookWorld, tally: Tally) -> None:
    held = Held()
    gone = {"is": True}

    def closes(_: Arrival) -> int:
        if gone["is"]:
            raise ConnectionError("no answer")
        return 200

    world.register("held")
    world.register("gone", rules=replace(QUICK, base_s=1.0, max_s=1.0))
    world.arrivals.answering |= {"held": held, "gone": closes}
    life = world.begin()
    life.hears("ready")
    world.opened(life, 3)

    async def waits() -> bool:
        rows = (await read(world.settings)).deliveries
        return {"PENDING", "RETRYING"} == {row.status for row in rows}

    wait_until(lambda: asyncio.run(waits()), "one waits for its first request, one for its next")
    life.strike(signal.SIGKILL)
    gone["is"] = False
    held.let_go()
    world.struck("killed before the clock is set back", life)
    began = time.monotonic()
    after = world.begin(clock_s=-2 * HOUR_S)
    after.hears("ready")
    closed(world, after, tally, "clock behind at a start")
    assert time.monotonic() - began < 60.0


def stamp_of(one: Arrival) -> float:
    return float(one.headers["webhook-timestamp"])
