"""The actors of the Knowledge Mound, as the outbox, searches and debates reach them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Final

from actors.kinds import ADAPTER, ADAPTERS_KEY, MOUND_INDEX, MOUND_INDEX_KEY
from actors.runtime import ONCE, Runtime
from aragora.config.knowledge import AdapterProcesses
from aragora.config.settings import Settings
from aragora.errors import Unavailable
from aragora.knowledge.learning import ADAPTERS, Learnt
from aragora.knowledge.near import Near
from aragora.storage.outbox import OutboxRow

LEARN_S: Final = 60.0
NEAREST_S: Final = 3.0
WAKE_S: Final = 5.0
CORES_FOR_OWN: Final = 8


class AdapterConsumer:
    """Brings debates that have ended to every adapter: the consumer of the outbox topic `knowledge`."""

    def __init__(self, runtime: Runtime, settings: Settings) -> None:
        keys = {name: name if own_processes(settings) else ADAPTERS_KEY for name in ADAPTERS}
        self._adapters = {name: runtime.at(ADAPTER, key) for name, key in keys.items()}
        self._index = runtime.at(MOUND_INDEX, MOUND_INDEX_KEY)

    async def apply(self, rows: Sequence[OutboxRow]) -> None:
        """Returns once every adapter has stored what it learnt. Raises Unavailable."""
        taken = tuple(rows)
        learnt = await asyncio.gather(*(self._learn(name, taken) for name in self._adapters))
        if any(one.added for one in learnt):
            with suppress(Unavailable):  # it finds what is new with its next start
                await self._index.ask(lambda it: it.wake(), timeout_s=WAKE_S, backoff=ONCE)

    async def _learn(self, adapter: str, rows: tuple[OutboxRow, ...]) -> Learnt:
        return await self._adapters[adapter].ask(lambda it: it.learn(adapter, rows), timeout_s=LEARN_S)


class IndexMeanings:
    """Fulfils `aragora.knowledge.searching.Meanings` by asking the actor."""

    def __init__(self, runtime: Runtime, *, limit_s: float = NEAREST_S) -> None:
        self._index = runtime.at(MOUND_INDEX, MOUND_INDEX_KEY)
        self._limit_s = limit_s

    async def nearest(self, scopes: Collection[str], question: str, k: int, allowed: Collection[int] | None) -> Near:
        """Raises Unavailable where the index is away, loading, or takes longer than the limit; a process that it gets
        meanwhile goes on starting, and is there for the next search."""
        places, numbers = tuple(scopes), None if allowed is None else tuple(allowed)
        try:
            async with asyncio.timeout(self._limit_s):
                return await self._index.ask(
                    lambda it: it.nearest(places, question, k, numbers), timeout_s=self._limit_s, backoff=ONCE
                )
        except TimeoutError:
            raise Unavailable("the index of meanings is starting", code="index_starting", retry_after_s=1.0) from None


def own_processes(settings: Settings) -> bool:
    """Whether each adapter has a process of its own."""
    wanted = settings.knowledge_adapter_processes
    if wanted is AdapterProcesses.AUTO:
        return (os.cpu_count() or 1) >= CORES_FOR_OWN
    return wanted is AdapterProcesses.OWN
