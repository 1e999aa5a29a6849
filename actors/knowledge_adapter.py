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
from aragora.knowledge.adapting import EVERY
from aragora.knowledge.heeding import heeding_over
from aragora.knowledge.learning import Learning
from aragora.knowledge.lessons import Lessons
from aragora.knowledge.mound.adapters import task_outcomes
from aragora.knowledge.store.adapters import AdapterBook
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.knowledge.syncing import Adapter, Syncing
from aragora.knowledge.syncs import Learnt, Synced
from aragora.knowledge.task_learning import TaskLearning
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
        journals, reader = DebateStore(debates), KnowledgeReader(memory)
        writer, book = KnowledgeWriter(memory, self._clock), AdapterBook(memory, OutboxStore(debates), self._clock)
        heeding = heeding_over(memory, writer)

        def learning(name: str) -> Adapter:
            if name == task_outcomes.NAME:
                return TaskLearning(writer, self._clock)
            return Learning(name, journals, reader, writer, heeding, self._clock)

        names = EVERY if key == ADAPTERS_KEY else (key,)
        self._adapters = {name: Syncing(name, learning(name), book, self._clock) for name in names}
        self._lessons = partial(Lessons, journals, reader)
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
