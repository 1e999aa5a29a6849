"""An adapter of the Knowledge Mound as an actor, or several of them that share a process. What they do is in
`aragora.knowledge.learning` and `aragora.knowledge.task_learning`, and when in `aragora.knowledge.syncing`.

Its cursor is the outbox: a row is done once every adapter has applied it, and each remembers what it applied in the
transaction that applies it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import ray

from actors.kinds import ADAPTERS_KEY
from actors.virtual import VirtualActor, collect_seldom
from aragora.config.settings import Settings
from aragora.debate.store.debates import DebateStore
from aragora.knowledge.adapting import EVERY, at_work
from aragora.knowledge.lessons import Lessons
from aragora.knowledge.store.adapters import AdapterBook
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.syncs import Learnt, Synced
from aragora.niceness import nice_process
from aragora.storage.contexts import Context
from aragora.storage.outbox import OutboxRow
from aragora.storage.outbox_store import OutboxStore


class KnowledgeAdapterActor(VirtualActor):
    """The actor; `key` is the name of an adapter, or `ADAPTERS_KEY`."""

    def __init__(self, key: str, settings: Settings) -> None:
        super().__init__(key, settings)
        collect_seldom()
        if ray.is_initialized():  # a process of its own
            nice_process()  # debates that go on come before what they leave
        memory = self._open(Context.MEMORY)
        debates = self._open(Context.DEBATES)
        journals, book = DebateStore(debates), AdapterBook(memory, OutboxStore(debates), self._clock)
        names = EVERY if key == ADAPTERS_KEY else (key,)
        self._adapters = at_work(names, memory, journals, book, self._clock)
        self._lessons = partial(Lessons, journals, KnowledgeReader(memory))
        self._working = 0

    async def learn(self, adapters: tuple[str, ...], rows: tuple[OutboxRow, ...]) -> int:
        """Have these adapters learn from a portion of debates, each of which is read once, or of tasks; returns how
        many items are new. Raises what `Syncing.learn` does, where one of them failed; the others have learnt then."""
        lessons = self._lessons()
        with self._work():
            told = await asyncio.gather(
                *(self._adapters[adapter].learn(rows, lessons) for adapter in adapters), return_exceptions=True
            )
        for one in told:
            if isinstance(one, BaseException):
                raise one
        return sum(one.added for one in told if isinstance(one, Learnt))

    async def sync(self, adapter: str) -> Synced:
        """See `Syncing.sync`. Raises Unavailable."""
        with self._work():
            return await self._adapters[adapter].sync()

    @contextmanager
    def _work(self) -> Iterator[None]:
        """The process stays while it works."""
        self._used()
        self._working += 1
        try:
            yield
        finally:
            self._working -= 1

    def _busy(self) -> bool:
        return self._working > 0
