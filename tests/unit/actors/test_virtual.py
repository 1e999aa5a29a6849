"""What every actor repeats: state that is loaded once and saved in order, and the end of a process that idles."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs
from worlds.logical_time import in_logical_time

from actors import virtual
from actors.virtual import Kept, VirtualActor
from aragora.config.settings import Settings
from aragora.errors import Unavailable
from aragora.storage.contexts import Context

WAIT_S = 30.0


class Store:
    """Keeps a number; reads and writes wait for `go`."""

    def __init__(self, stored: int = 0) -> None:
        self.stored = stored
        self.loads = 0
        self.begun: list[int] = []
        self.saved: list[int] = []
        self.failures = 0
        self.go = asyncio.Event()
        self.go.set()

    async def load(self) -> int:
        self.loads += 1
        await self._turn()
        return self.stored

    async def save(self, number: int) -> None:
        self.begun.append(number)
        await self._turn()
        self.stored = number
        self.saved.append(number)

    async def _turn(self) -> None:
        await self.go.wait()
        if self.failures:
            self.failures -= 1
            raise Unavailable("the store is away")


def number_in(store: Store) -> Kept[int]:
    """Even steps must be found by a restart, odd ones need not."""
    return Kept(store.load, store.save, lambda before, after: (after - before) % 2 == 0)


def add(step: int) -> virtual.Rule[int, int]:
    return lambda number: (number + step, number + step)


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_messages_that_come_first_share_one_load() -> None:
    store = Store(10)
    kept = number_in(store)
    assert await asyncio.gather(*(kept.apply(add(1)) for _ in range(5))) == [11, 12, 13, 14, 15]
    assert store.loads == 1


async def test_messages_that_wait_for_a_load_fail_with_it_and_the_next_one_loads_again() -> None:
    store = Store(10)
    store.failures = 1
    kept = number_in(store)
    results = await asyncio.gather(*(kept.apply(add(1)) for _ in range(5)), return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable] * 5
    assert store.loads == 1
    assert await kept.apply(add(1)) == 11


async def test_what_a_restart_need_not_find_is_not_saved() -> None:
    store = Store()
    kept = number_in(store)
    assert await kept.apply(add(1)) == 1
    assert store.begun == []
    assert await kept.apply(add(2)) == 3
    assert store.saved == [3]


async def test_a_write_carries_the_newest_state_and_none_overwrites_a_newer_one() -> None:
    store = Store()
    kept = number_in(store)
    await kept.apply(add(1))
    store.go.clear()
    changes = [asyncio.create_task(kept.apply(add(2)))]
    await turns()
    changes += [asyncio.create_task(kept.apply(add(2))) for _ in range(3)]
    await turns()
    assert store.begun == [3]
    assert kept.writing
    assert not any(change.done() for change in changes), "each waits until it is saved"
    store.go.set()
    assert await asyncio.gather(*changes) == [3, 5, 7, 9]
    assert store.saved == [3, 9], "what came during the first write left with one more"
    assert not kept.writing


async def test_a_change_that_could_not_be_saved_holds_and_leaves_with_the_next_write() -> None:
    store = Store()
    kept = number_in(store)
    await kept.apply(add(1))
    store.failures = 1
    with pytest.raises(Unavailable):
        await kept.apply(add(2))
    assert await kept.apply(add(2)) == 5
    assert store.saved == [5]


async def test_a_message_that_is_cancelled_does_not_break_off_its_write() -> None:
    store = Store()
    kept = number_in(store)
    await kept.apply(add(1))
    store.go.clear()
    change = asyncio.create_task(kept.apply(add(2)))
    await turns()
    change.cancel()
    store.go.set()
    await turns()
    assert store.saved == [3]


class Sleeper(VirtualActor):
    """Retires when idle, and not while `working`."""

    def __init__(self, key: str, settings: Settings) -> None:
        super().__init__(key, settings)
        self.working = True
        self.told: list[str] = []
        self.database = self._open(Context.CORE)

    async def message(self) -> None:
        self._used()

    def _busy(self) -> bool:
        return self.working

    async def _close(self) -> None:
        self.told.append("closed")
        await super()._close()


@in_logical_time
async def test_an_idle_process_closes_and_ends_once_it_is_not_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual, "LOOK_AGAIN_S", 0.001)
    actor = Sleeper("s", Settings().model_copy(update={"passivate_after_s": 0.0}))
    ended = asyncio.Event()

    def retire() -> None:
        actor.told.append("ended")
        ended.set()

    monkeypatch.setattr(virtual, "retire", retire)
    await asyncio.sleep(0.01)
    assert actor.told == [], "nothing was asked of it yet"
    await actor.message()
    await asyncio.sleep(0.05)
    assert actor.told == [], "it is busy"
    actor.working = False
    await asyncio.wait_for(ended.wait(), WAIT_S)
    assert actor.told == ["closed", "ended"]


@in_logical_time
async def test_a_process_that_is_used_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual, "LOOK_AGAIN_S", 0.001)
    monkeypatch.setattr(virtual, "retire", lambda: pytest.fail("it was used a moment ago"))
    actor = Sleeper("s", Settings().model_copy(update={"passivate_after_s": 3600.0}))
    actor.working = False
    for _ in range(5):
        await actor.message()
        await asyncio.sleep(0.005)
    assert actor.told == []


@in_logical_time
async def test_a_process_that_cannot_close_ends_all_the_same_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stuck(Sleeper):
        async def _close(self) -> None:
            raise ValueError("a defect")

    ended = asyncio.Event()
    monkeypatch.setattr(virtual, "retire", ended.set)
    actor = Stuck("s", Settings().model_copy(update={"passivate_after_s": 0.0}))
    actor.working = False
    with capture_logs() as logs:
        await actor.message()
        await asyncio.wait_for(ended.wait(), WAIT_S)
        await asyncio.sleep(0.1)
    assert [(line["event"], line["task"]) for line in logs] == [("background work ended", "idle watch")]
