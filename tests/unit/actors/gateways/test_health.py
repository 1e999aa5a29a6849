"""The look at the store: one for all who ask, bounded in time, and no secret of the cause is told."""

from __future__ import annotations

import asyncio
from typing import Any

from structlog.testing import capture_logs
from worlds.backends import SetClock
from worlds.logical_time import LoopClock, in_logical_time

from actors.gateways.health import FRESH_S, LOOK_S, PATIENCE_S, ReplicaVitals, StoreProbe
from aragora.errors import Unavailable
from aragora.observability.registry import Registry
from aragora.server.ports import Vitals
from aragora.supervision import Loops


class Store:
    """Counts the looks; away while `error` is set, silent while `silent`."""

    def __init__(self) -> None:
        self.looks = 0
        self.error: Exception | None = None
        self.silent = False

    async def look(self) -> None:
        self.looks += 1
        await asyncio.sleep(0)
        if self.silent:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error


def probe_of(store: Store, clock: Any) -> StoreProbe:
    return StoreProbe([store], clock)  # type: ignore[list-item]


async def test_a_thousand_questions_are_one_look_and_the_next_comes_when_it_is_old() -> None:
    store, clock = Store(), SetClock()
    probe = probe_of(store, clock)
    assert all(await asyncio.gather(*(probe.up() for _ in range(1000))))
    assert await probe.up()
    assert store.looks == 1
    clock.at += FRESH_S
    assert await probe.up()
    assert store.looks == 2


async def test_an_outage_is_told_once_and_so_is_its_end() -> None:
    store, clock = Store(), SetClock()
    probe = probe_of(store, clock)
    store.error = Unavailable("looking at the store: the database failed")
    with capture_logs() as logs:
        for _ in range(3):
            assert not await probe.up()
            clock.at += FRESH_S
        store.error = None
        assert await probe.up()
    assert [line["event"] for line in logs] == ["the store is away", "the store is back"]


@in_logical_time
async def test_a_store_that_hangs_holds_no_question_up_for_long() -> None:
    store, clock = Store(), LoopClock()
    probe = probe_of(store, clock)
    assert await probe.up()
    await asyncio.sleep(FRESH_S)
    store.silent = True
    asked = clock.monotonic()
    assert await probe.up(), "as it was before"
    assert clock.monotonic() - asked <= PATIENCE_S
    await asyncio.sleep(LOOK_S)
    assert not await probe.up()


async def test_the_vitals_are_those_of_this_process_and_of_all_others() -> None:
    class Lifecycle:
        def troubled(self) -> tuple[str, ...]:
            return ("outbox ratings",)

    loops = Loops(Registry())
    loops.failed("counter flush", ValueError("a defect"))
    vitals = ReplicaVitals(probe_of(Store(), SetClock()), Lifecycle(), loops)  # type: ignore[arg-type]
    assert await vitals.vitals() == Vitals(store_up=True, troubled=("counter flush", "outbox ratings"))
