"""A made mound on SQLite: texts of real words in their real frequency, and made vectors in place of embedded ones."""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np
import structlog

from aragora.clock import SystemClock
from aragora.config.settings import load_settings
from aragora.knowledge.indexing import MoundIndex
from aragora.knowledge.ledger import Added
from aragora.knowledge.model import Basis, Home, ItemKind, Source, SourceKind, Statement
from aragora.knowledge.planning import Addition
from aragora.knowledge.search.compressed import CompressedMatrix
from aragora.knowledge.search.embedding import EmbedderId
from aragora.knowledge.search.vector_index import VectorIndex
from aragora.knowledge.search.vectors import Vector, Vectors
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.vectors import VectorStore
from aragora.knowledge.store.writing import UNITS_MAX, KnowledgeWriter
from aragora.migrations.applying import apply_pending
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from benchmarks.knowledge.known_items import pairs
from benchmarks.knowledge.options import Options
from benchmarks.webhooks.options import Line

RARE: Final = "rare"
RARE_EVERY: Final = 1_000  # items: what a filter of 0.1 % keeps
ORG: Final = "acme"
_WORDS: Final = range(12, 30)
_PUT: Final = 2_000


class MadeEmbedder:
    """Gives made vectors: of a question the one that was set, of a passage one that follows from it."""

    floor = -1.0
    sure = 1.0

    def __init__(self, name: str, dimension: int) -> None:
        self.embedder_id = EmbedderId(name, "1", dimension, "", "l2", "whole")
        self.vectors: dict[str, Vector] = {}

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return np.stack([self._of(text) for text in texts])

    async def embed_query(self, text: str) -> Vector:
        found = self.vectors.get(text)
        return self._of(text) if found is None else found

    async def aclose(self) -> None:
        """There is nothing to free."""

    def _of(self, text: str) -> Vector:
        chance = np.random.default_rng(abs(hash((str(self.embedder_id), text))))
        drawn = chance.standard_normal(self.embedder_id.dimension)
        made: Vector = (drawn / np.linalg.norm(drawn)).astype(np.float32)
        return made


class Mound:
    """Over a database of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = SystemClock()
        self.writer = KnowledgeWriter(database, self.clock)
        self.reader = KnowledgeReader(database)
        self.vectors = VectorStore(database)

    def index(self, embedder: MadeEmbedder, *others: MadeEmbedder) -> MoundIndex:
        """An index that is not started: the caller steps it."""
        index = VectorIndex(CompressedMatrix)
        return MoundIndex(self.vectors, embedder, self.clock, index=index, others=others)

    async def fill(self, texts: Sequence[str], workspaces: int = 1) -> float:
        """Write items in batches, spread over workspaces; returns the seconds that it took."""
        now, began = self.clock.now(), time.perf_counter()
        for batch, start in enumerate(range(0, len(texts), UNITS_MAX)):
            units = [addition(text, start + place, now) for place, text in enumerate(texts[start : start + UNITS_MAX])]
            await self.writer.write(Home(ORG, workspace(batch % workspaces)), units)
        return time.perf_counter() - began

    async def embed(self, embedder: MadeEmbedder, vectors: Vectors) -> None:
        """Keep a vector for each item, in the order of their numbers, which begin at 1."""
        for start in range(0, len(vectors), _PUT):
            part = vectors[start : start + _PUT]
            made = {start + place + 1: (1, vector) for place, vector in enumerate(part)}
            kept = await self.vectors.put(str(embedder.embedder_id), made)
            assert len(kept) == len(part), "an item is missing"


def workspace(number: int) -> str:
    """The name of one of the workspaces."""
    return f"w{number}"


def texts_of(count: int) -> list[str]:
    """`count` texts of some 20 words, each with its number; the same each time."""
    chance = Random(14)
    words = [word for pair in pairs(10_000) for word in pair.answer.split()]
    return [f"{' '.join(chance.choices(words, k=chance.choice(_WORDS)))} {number}" for number in range(count)]


def addition(text: str, number: int, now: float) -> Addition:
    """An item as a debate teaches it."""
    topics = (RARE,) if number % RARE_EVERY == 0 else ()
    statement = Statement(kind=ItemKind.FACT, content=text, topics=topics)
    debate_id = f"deb_{number // 4}"
    return Addition(
        Added(
            statement,
            (Source(SourceKind.DEBATE, f"debate:{debate_id}", now, (), debate_id=debate_id),),
            0.6,
            Basis.VOTED,
        )
    )


def on_a_mound(
    work: Callable[[Mound, Options], Coroutine[Any, Any, list[Line]]],
) -> Callable[[Options], Iterator[Line]]:
    """A scenario that is given a fresh mound, in a directory that is removed afterwards."""

    def scenario(options: Options) -> Iterator[Line]:
        with tempfile.TemporaryDirectory(prefix="knowledge-") as directory:
            yield from asyncio.run(_within(Path(directory), work, options))

    return scenario


async def _within(
    directory: Path, work: Callable[[Mound, Options], Coroutine[Any, Any, list[Line]]], options: Options
) -> list[Line]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))  # figures alone
    settings = load_settings({"ARAGORA_DATA_DIR": str(directory)})
    await apply_pending(settings)
    database = Database.open(settings, Context.MEMORY)
    try:
        return await work(Mound(database), options)
    finally:
        await database.aclose()
