"""A mound that is searched: a writer, an index of meanings that is stepped by hand, and searches."""

from __future__ import annotations

from collections.abc import Sequence

from worlds.backends import SetClock
from worlds.knowledge import HOME, SCOPE, addition
from worlds.meanings import WordEmbedder

from aragora.knowledge.answers import AnswerCache
from aragora.knowledge.indexing import FRESH_S, MoundIndex
from aragora.knowledge.model import Home, Item
from aragora.knowledge.planning import Changing
from aragora.knowledge.search.compressed import CompressedMatrix
from aragora.knowledge.search.vector_index import COMPRESSED_FROM, VectorIndex
from aragora.knowledge.searching import Keeping, Searching
from aragora.knowledge.store.generations import Generations
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.vectors import VectorStore
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.scope import Scope
from aragora.storage.database import Database


class Searched:
    """`searching` keeps no answers; see `keeping`. `others`: embedders that the index can run besides its own.
    `compressed_from`: the size from which a workspace is compressed."""

    def __init__(
        self,
        database: Database,
        clock: SetClock,
        embedder: WordEmbedder | None = None,
        others: Sequence[WordEmbedder] = (),
        compressed_from: int = COMPRESSED_FROM,
    ) -> None:
        self.clock = clock
        self.database = database
        self.writer = KnowledgeWriter(database, clock)
        self.reader = KnowledgeReader(database)
        self.vectors = VectorStore(database)
        self.embedder = embedder or WordEmbedder()
        index = VectorIndex(CompressedMatrix, compressed_from)
        self.index = MoundIndex(self.vectors, self.embedder, clock, index=index, others=others)
        self.searching = Searching(self.reader, self.index, clock)

    def keeping(self, answers: AnswerCache) -> Searching:
        """Searches of the same that keep their answers."""
        return Searching(self.reader, self.index, self.clock, Keeping(answers, Generations(self.database)))

    async def write(self, *contents: str, home: Home = HOME) -> list[Item]:
        written = [one.item for one in await self.writer.write(home, [addition(content) for content in contents])]
        await self.settle()
        return written

    async def change(self, item: Item, change: object) -> None:
        home = Home(item.org_id, item.workspace)
        await self.writer.write(home, [Changing(item.item_id, change)])  # type: ignore[arg-type]

    async def settle(self) -> None:
        """The index has seen and embedded everything."""
        self.clock.at += 2 * FRESH_S
        while await self.index.step():
            self.clock.at += 2 * FRESH_S
        self.clock.at += 2 * FRESH_S
        await self.index.follow()

    async def found(self, query: str, scope: Scope = SCOPE, **of: object) -> list[str]:
        self.clock.at += 2 * FRESH_S
        answer = await self.searching.search(scope, query, **of)  # type: ignore[arg-type]
        return [result.item.statement.content for result in answer.results]
