"""The flush of a replica's counters: nothing counted is lost, and the task writes without being asked for a page."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from actors.gateways.metrics import CounterFlush
from aragora.errors import Unavailable
from aragora.observability.registry import Registry
from aragora.observability.samples import CounterDelta

SAMPLE = "aragora_http_requests_total"
LABELS = {"method": "GET", "route": "/api/health", "status": "200"}


class Counters:
    """A store of counters in memory."""

    def __init__(self) -> None:
        self.total = 0.0
        self.away = False
        self.written = asyncio.Event()

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
