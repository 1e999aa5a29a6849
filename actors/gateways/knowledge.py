"""The actors of the Knowledge Mound, as the outbox, searches and debates reach them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from actors.adapter_processes import hosts
from actors.kinds import ADAPTER, MOUND_INDEX, MOUND_INDEX_KEY
from actors.runtime import ONCE, Reference, Runtime
from aragora.config.settings import Settings
from aragora.errors import AragoraError, Unavailable
from aragora.knowledge.adapting import EVERY
from aragora.knowledge.near import Near, Rebuild
from aragora.knowledge.syncing import PORTIONS
from aragora.knowledge.syncs import TOPIC, Synced
from aragora.knowledge.topics import topic_of
from aragora.storage.outbox import OutboxRow
from aragora.supervision import begin

if TYPE_CHECKING:
    from actors.knowledge_adapter import KnowledgeAdapterActor

LEARN_S: Final = 60.0
NEAREST_S: Final = 3.0
WAKE_S: Final = 5.0
SYNC_S: Final = 45.0  # a process that begins, and its sync
REBUILD_S: Final = 15.0  # a process that begins


class AdapterConsumer:
    """Brings what has ended to every adapter that learns from it: the consumer of the outbox topics `knowledge` (of
    debates) and `tasks`."""

    def __init__(self, runtime: Runtime, settings: Settings, topic: str = TOPIC) -> None:
        by_host: dict[str, list[str]] = {}
        for name, key in hosts(settings, EVERY).items():
            if topic_of(name) == topic:
                by_host.setdefault(key, []).append(name)
        self._portion = PORTIONS[topic]
        self._hosts = [(runtime.at(ADAPTER, key), tuple(names)) for key, names in by_host.items()]
        self._index = runtime.at(MOUND_INDEX, MOUND_INDEX_KEY)

    async def apply(self, rows: Sequence[OutboxRow]) -> None:
        """Returns once every adapter has stored what it learnt. Raises Unavailable.

        A call has one portion of the rows: a whole page of the outbox would take longer than a call may where the
        machine is busy, and a call that is given up goes on in the actor beside the next one.
        """
        added = 0
        for start in range(0, len(rows), self._portion):
            part = tuple(rows[start : start + self._portion])
            learnt = await asyncio.gather(*(_learnt(host, names, part) for host, names in self._hosts))
            added += sum(learnt)
        if added:
            with suppress(Unavailable):  # it finds what is new with its next start
                await self._index.ask(lambda it: it.wake(), timeout_s=WAKE_S, backoff=ONCE)


async def _learnt(host: Reference[KnowledgeAdapterActor], names: tuple[str, ...], rows: tuple[OutboxRow, ...]) -> int:
    """How many items are new."""
    return await host.ask(lambda it: it.learn(names, rows), timeout_s=LEARN_S)


class AdapterCommands:
    """Fulfils `aragora.server.chapters.knowledge_operations.Adapters` by asking the actors."""

    def __init__(self, runtime: Runtime, settings: Settings) -> None:
        self._runtime = runtime
        self._keys = hosts(settings, EVERY)

    async def awake(self) -> frozenset[str]:
        """The adapters that have a process now. Wakes none. Raises Unavailable."""
        alive = await self._runtime.alive(ADAPTER)
        return frozenset(name for name, key in self._keys.items() if key in alive)

    async def sync(self, adapter: str) -> Synced:
        """What the adapter did of that which waits for it; its process begins, where it has none. Raises Unavailable
        within `SYNC_S` seconds; what it goes on doing then stays done."""
        actor = self._runtime.at(ADAPTER, self._keys[adapter])
        return await actor.ask(lambda it: it.sync(adapter), timeout_s=SYNC_S, backoff=ONCE)


class IndexWaker:
    """Tells the index of meanings that items are new. Belongs to one event loop."""

    def __init__(self, runtime: Runtime) -> None:
        self._index = runtime.at(MOUND_INDEX, MOUND_INDEX_KEY)
        self._telling: asyncio.Task[None] | None = None
        self._again = False

    def wake(self) -> None:
        """Returns at once. Of many calls at a time, one more message tells what came meanwhile."""
        self._again = True
        if self._telling is None or self._telling.done():
            self._telling = begin(self._tell(), "waking the index of meanings")

    async def _tell(self) -> None:
        while self._again:
            self._again = False
            with suppress(AragoraError):  # it finds what is new by itself: at its next look, or with its next start
                await self._index.ask(lambda it: it.wake(), timeout_s=WAKE_S, backoff=ONCE)


class IndexCommands:
    """Fulfils `aragora.server.chapters.knowledge_operations.Index` by asking the actor."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._index = runtime.at(MOUND_INDEX, MOUND_INDEX_KEY)

    async def rebuild(self, *, anew: bool) -> Rebuild:
        """Have it built anew; its process begins, where it has none. Raises Unavailable."""
        return await self._index.ask(lambda it: it.rebuild(anew), timeout_s=REBUILD_S, backoff=ONCE)

    async def rebuilding(self) -> Rebuild | None:
        """How far that is; None where it has no process, or was not asked to since that began. Raises Unavailable."""
        if MOUND_INDEX_KEY not in await self._runtime.alive(MOUND_INDEX):
            return None
        return await self._index.ask(lambda it: it.rebuilding(), timeout_s=WAKE_S, backoff=ONCE)


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
                    lambda it: it.nearest(places, question, k, numbers, self._limit_s),
                    timeout_s=self._limit_s,
                    backoff=ONCE,
                )
        except TimeoutError:
            raise Unavailable("the index of meanings is starting", code="index_starting", retry_after_s=1.0) from None
