"""The metrics page and the flush of a replica's counters: nothing counted is lost, the task writes without being asked
for a page, and the page goes on without the store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from worlds.backends import SetClock
from worlds.waiting import eventually

from actors.gateways.health import FRESH_S, StoreProbe
from actors.gateways.metrics import StoredMetricsPage
from actors.gateways.operations import CounterFlush
from aragora.errors import Unavailable
from aragora.observability.registry import Registry
from aragora.observability.samples import CounterDelta
from aragora.server.ports import BreakerView, ConnectionTotals

SAMPLE = "aragora_http_requests_total"
LABELS = {"method": "GET", "route": "/api/health", "status": "200"}


class Counters:
    """A store of counters in memory."""

    def __init__(self) -> None:
        self.total = 0.0
        self.away = False
        self.written = asyncio.Event()

    async def look(self) -> None:
        if self.away:
            raise Unavailable("the disk is full")

    async def all(self) -> list[CounterDelta]:
        await self.look()
        return [CounterDelta("aragora_debates_total", (), 7.0)]

    async def add(self, deltas: Iterable[CounterDelta]) -> None:
        if self.away:
            raise Unavailable("the disk is full")
        self.total += sum(delta.amount for delta in deltas)
        self.written.set()


def flush_of(counters: Counters, registry: Registry) -> CounterFlush:
    return CounterFlush(counters, registry)  # type: ignore[arg-type]


async def test_what_cannot_be_written_is_kept_for_the_next_time() -> None:
    counters, registry = Counters(), Registry()
    flush = flush_of(counters, registry)
    registry.inc(SAMPLE, **LABELS)
    counters.away = True
    with pytest.raises(Unavailable):
        await flush.flush()
    counters.away = False
    registry.inc(SAMPLE, **LABELS)
    await flush.flush()
    assert counters.total == 2.0


async def test_the_task_writes_what_was_counted() -> None:
    counters, registry = Counters(), Registry()
    flush = flush_of(counters, registry)
    registry.inc(SAMPLE, **LABELS)
    flush.task.start()
    async with asyncio.timeout(30):
        await counters.written.wait()
    await flush.task.aclose()
    assert counters.total == 1.0


class Boards:
    """The agents' breakers and webhooks, out of the store, and the connections, out of the shared state."""

    def __init__(self, counters: Counters) -> None:
        self.counters = counters
        self.shared_away = False

    async def breakers(self) -> list[BreakerView]:
        await self.counters.look()
        return [BreakerView("ada", "open")]

    async def gauges(self) -> list[CounterDelta]:
        await self.counters.look()
        return [CounterDelta("aragora_webhook_oldest_due_seconds", (), 12.0)]

    async def totals(self) -> ConnectionTotals:
        if self.shared_away:
            raise Unavailable("the shared state is restarting")
        return ConnectionTotals(3, 0, 0)


class NothingKnown:
    """No figures of knowledge, kept decisions or executions."""

    async def gauges(self) -> list[CounterDelta]:
        return []


def page_of(counters: Counters, probe: StoreProbe, boards: Boards, registry: Registry) -> StoredMetricsPage:
    return StoredMetricsPage(
        [counters],  # type: ignore[list-item]
        probe,
        boards,  # type: ignore[arg-type]
        boards,  # type: ignore[arg-type]
        boards,  # type: ignore[arg-type]
        knowledge=NothingKnown(),  # type: ignore[arg-type]
        decisions=NothingKnown(),  # type: ignore[arg-type]
        workflows=NothingKnown(),  # type: ignore[arg-type]
        registry=registry,
    )


async def test_without_the_store_the_page_has_what_is_read_now_and_no_counter_and_comes_back_whole() -> None:
    counters, registry, clock = Counters(), Registry(), SetClock()
    boards = Boards(counters)
    probe = StoreProbe([counters], clock)  # type: ignore[list-item]
    page = page_of(counters, probe, boards, registry)
    whole = await page.exposition()
    assert {"aragora_store_up 1.0", "aragora_debates_total 7.0", "aragora_websocket_connections 3.0"} <= set(
        whole.splitlines()
    )
    registry.inc(SAMPLE, **LABELS)
    for known in (True, False):  # as the probe saw it before the outage, and after
        counters.away = True
        clock.at += 0.0 if known else FRESH_S
        away = await page.exposition()
        assert "aragora_store_up 0.0" in away.splitlines()
        assert "aragora_websocket_connections 3.0" in away.splitlines()
        assert "aragora_debates_total" not in away, "0 would be a fall"
        assert "aragora_circuit_breaker_state{" not in away
    counters.away = False
    clock.at += FRESH_S
    assert await page.exposition() == whole
    assert counters.total == 1.0


class Slow(Counters):
    """Reads one page after the other, each once it may; counts those that are read at once."""

    def __init__(self) -> None:
        super().__init__()
        self.may = asyncio.Event()
        self.reads = 0
        self.at_once = 0
        self.most_at_once = 0

    async def all(self) -> list[CounterDelta]:
        self.reads += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.may.wait()
        self.at_once -= 1
        return [CounterDelta("aragora_debates_total", (), self.total)]


async def test_however_many_ask_at_once_one_page_is_made_at_a_time_and_none_is_older_than_its_question() -> None:
    counters, clock, registry = Slow(), SetClock(), Registry()
    boards = Boards(counters)
    probe = StoreProbe([counters], clock)  # type: ignore[list-item]
    page = page_of(counters, probe, boards, registry)
    first = asyncio.create_task(page.exposition())
    await eventually(lambda: counters.reads == 1)
    registry.inc(SAMPLE, **LABELS)
    later = [asyncio.create_task(page.exposition()) for _ in range(100)]
    await asyncio.sleep(0)  # they have asked
    later.pop().cancel()  # who leaves takes the page from nobody
    counters.may.set()
    assert "aragora_debates_total 0.0" in (await first).splitlines()
    assert {("aragora_debates_total 1.0" in page.splitlines()) for page in await asyncio.gather(*later)} == {True}
    assert (counters.reads, counters.most_at_once) == (2, 1)
    assert "aragora_debates_total 1.0" in (await page.exposition()).splitlines()


async def test_without_the_shared_state_the_page_has_the_rest() -> None:
    counters, clock = Counters(), SetClock()
    boards = Boards(counters)
    boards.shared_away = True
    probe = StoreProbe([counters], clock)  # type: ignore[list-item]
    page = await StoredMetricsPage(
        [counters],
        probe,
        boards,
        boards,
        boards,
        knowledge=NothingKnown(),
        decisions=NothingKnown(),
        workflows=NothingKnown(),
        registry=Registry(),
    ).exposition()  # type: ignore[arg-type, list-item]
    assert "aragora_debates_total 7.0" in page.splitlines()
    assert "\naragora_websocket_connections " not in page
