"""The index of meanings as an actor: one process for the whole cluster, begun with the first search or the first item.
What it does is in `aragora.knowledge.indexing`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from functools import partial

from actors.virtual import VirtualActor, collect_seldom
from aragora.config.settings import Settings
from aragora.errors import Unavailable
from aragora.knowledge.embedders import open_embedder, runnable
from aragora.knowledge.indexing import MoundIndex
from aragora.knowledge.near import IndexFigures, Near, Rebuild
from aragora.knowledge.search.compressed import CompressedMatrix
from aragora.knowledge.search.vector_index import VectorIndex
from aragora.knowledge.store.vectors import VectorStore
from aragora.storage.contexts import Context


class MoundIndexActor(VirtualActor):
    """The actor; `key` is always `main`."""

    def __init__(self, key: str, settings: Settings) -> None:
        super().__init__(key, settings)
        collect_seldom()
        store, embedder = VectorStore(self._open(Context.MEMORY)), open_embedder(settings)
        # The file of whole vectors is as private as the stores; a node of a cluster may have no data directory.
        directory = settings.data_dir if settings.data_dir.is_dir() else None
        index = VectorIndex(partial(CompressedMatrix, directory=directory))
        self._index = MoundIndex(store, embedder, self._clock, index=index, others=runnable(embedder))
        self._index.start()

    async def nearest(
        self, scopes: Collection[str], question: str, k: int, allowed: Collection[int] | None, limit_s: float
    ) -> Near:
        """See `MoundIndex.nearest`. The caller waits for `limit_s` seconds, and a question that was not embedded by
        then is let go: where many are asked at once, they would keep later ones waiting for answers that nobody takes.
        Raises Unavailable then, too."""
        self._used()
        try:
            async with asyncio.timeout(limit_s):
                return await self._index.nearest(scopes, question, k, allowed)
        except TimeoutError:
            raise Unavailable("the index of meanings took too long", code="index_late", retry_after_s=1.0) from None

    async def wake(self) -> None:
        """Items are new: it looks at once, and the process stays until they are embedded."""
        self._used()
        self._index.wake()

    async def rebuild(self, anew: bool) -> Rebuild:
        """See `MoundIndex.rebuild`."""
        self._used()
        return self._index.rebuild(anew=anew)

    async def rebuilding(self) -> Rebuild | None:
        """See `MoundIndex.rebuilding`. Asking keeps no process awake."""
        return self._index.rebuilding

    async def figures(self) -> IndexFigures:
        """See `MoundIndex.looked`. A question for health and the metrics page: it keeps no process awake."""
        return await self._index.looked()

    def _busy(self) -> bool:
        return self._index.busy

    async def _close(self) -> None:
        await self._index.aclose()
        await super()._close()
