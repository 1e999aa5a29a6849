"""The readings of the Knowledge Mound for the metrics page: what waits for the adapters, the items, the index of
meanings.

They are as old as `COUNTED_S`: counting a hundred thousand items takes some tenths of a second. What cannot be read is
absent, and so is what the index's process says while it rests: asking wakes none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection
from typing import Final, Protocol

import structlog

from actors.kinds import MOUND_INDEX, MOUND_INDEX_KEY
from actors.runtime import ONCE, Runtime
from aragora.clock import Clock
from aragora.errors import AragoraError
from aragora.knowledge.near import IndexFigures
from aragora.knowledge.syncs import Standing
from aragora.observability.samples import CounterDelta

COUNTED_S: Final = 30.0
LIMIT_S: Final = 2.0  # the page waits for each reading no longer

log = structlog.get_logger("aragora.knowledge")


class Book(Protocol):
    """How far the adapters have come (`aragora.knowledge.store.adapters.AdapterBook`)."""

    async def standings(self, adapters: Collection[str]) -> list[Standing]: ...


class Items(Protocol):
    """Counts items (`aragora.knowledge.store.reading.KnowledgeReader`)."""

    async def counts(self) -> dict[tuple[str, str], int]: ...


class KnowledgeFigures:
    """The readings of one replica; `adapters` are those that are on."""

    def __init__(self, book: Book, items: Items, runtime: Runtime, adapters: Collection[str], clock: Clock) -> None:
        self._book = book
        self._items = items
        self._runtime = runtime
        self._adapters = adapters
        self._clock = clock
        self._counted: list[CounterDelta] = []
        self._count_again_at = float("-inf")

    async def gauges(self) -> list[CounterDelta]:
        """Never raises."""
        if self._clock.monotonic() >= self._count_again_at:
            found = await asyncio.gather(
                *(_within_limit(reading) for reading in (self._of_adapters(), self._of_items(), self._of_index()))
            )
            self._counted = [gauge for some in found for gauge in some]
            self._count_again_at = self._clock.monotonic() + COUNTED_S
        return self._counted

    async def _of_adapters(self) -> list[CounterDelta]:
        standings = await self._book.standings(self._adapters) if self._adapters else []
        return [
            gauge
            for one in standings
            for gauge in (
                _gauge("aragora_km_adapter_backlog", float(one.backlog), adapter=one.adapter),
                _gauge("aragora_km_adapter_lag_seconds", one.lag_s, adapter=one.adapter),
            )
        ]

    async def _of_items(self) -> list[CounterDelta]:
        counts = await self._items.counts()
        return [
            _gauge("aragora_km_items", float(count), kind=kind, status=status)
            for (kind, status), count in counts.items()
        ]

    async def _of_index(self) -> list[CounterDelta]:
        if MOUND_INDEX_KEY not in await self._runtime.alive(MOUND_INDEX):
            return []
        index = self._runtime.at(MOUND_INDEX, MOUND_INDEX_KEY)
        return gauges_of(await index.ask(lambda it: it.figures(), timeout_s=LIMIT_S, backoff=ONCE))


def gauges_of(figures: IndexFigures) -> list[CounterDelta]:
    """What the process of the index says. How many vectors it has is told beside those of the store or not at all."""
    gauges = [
        _gauge("aragora_km_index_bytes", float(figures.size_bytes)),
        _gauge("aragora_km_embedding_backlog", float(figures.waiting)),
        _gauge("aragora_km_embedding_oldest_seconds", figures.oldest_s),
    ]
    if figures.stored is not None:
        gauges += [
            _gauge("aragora_km_index_vectors", float(figures.vectors)),
            _gauge("aragora_km_index_stored_vectors", float(figures.stored)),
        ]
    if figures.embeds is not None:
        gauges.append(_gauge("aragora_km_embedder_up", float(figures.embeds)))
    return gauges


async def _within_limit(reading: Awaitable[list[CounterDelta]]) -> list[CounterDelta]:
    """The reading; nothing where it fails or takes too long."""
    try:
        async with asyncio.timeout(LIMIT_S):
            return await reading
    except (AragoraError, TimeoutError) as error:
        log.warning("figures of knowledge cannot be read", error=repr(error))
        return []


def _gauge(name: str, reading: float, **labels: str) -> CounterDelta:
    return CounterDelta(name, tuple(sorted(labels.items())), reading)
