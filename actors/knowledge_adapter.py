"""An adapter of the Knowledge Mound as an actor, or several of them that share a process. What they do is in
`aragora.knowledge.learning`.

Its cursor is the outbox: a row is done once every adapter has applied it, and each remembers what it applied in the
transaction that applies it.
"""

from __future__ import annotations

from actors.kinds import ADAPTERS_KEY
from actors.virtual import VirtualActor, collect_seldom
from aragora.config.settings import Settings
from aragora.debate.store.debates import DebateStore
from aragora.knowledge.heeding import Heeding
from aragora.knowledge.learning import ADAPTERS, Learning, Learnt
from aragora.knowledge.store.heeded import HeededOutcomes
from aragora.knowledge.store.outcomes import OutcomeStore
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.storage.contexts import Context
from aragora.storage.outbox import OutboxRow


class KnowledgeAdapterActor(VirtualActor):
    """The actor; `key` is the name of an adapter, or `ADAPTERS_KEY`."""

    def __init__(self, key: str, settings: Settings) -> None:
        super().__init__(key, settings)
        collect_seldom()
        memory = self._open(Context.MEMORY)
        journals, reader = DebateStore(self._open(Context.DEBATES)), KnowledgeReader(memory)
        writer = KnowledgeWriter(memory, self._clock)
        heeding = Heeding(OutcomeStore(memory), HeededOutcomes(memory, writer))
        names = tuple(ADAPTERS) if key == ADAPTERS_KEY else (key,)
        self._adapters = {name: Learning(name, journals, reader, writer, heeding) for name in names}
        self._learning = 0

    async def learn(self, adapter: str, rows: tuple[OutboxRow, ...]) -> Learnt:
        """See `Learning.learn`. Raises Unavailable."""
        self._used()
        self._learning += 1
        try:
            return await self._adapters[adapter].learn(rows)
        finally:
            self._learning -= 1

    def _busy(self) -> bool:
        return self._learning > 0
