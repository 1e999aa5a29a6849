"""An embedder that knows what words mean: texts with the same words are near, whatever their order."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import numpy as np

from aragora.errors import AragoraError
from aragora.knowledge.search.embedding import EmbedderId, embeddable, units
from aragora.knowledge.search.tokens import query_tokens
from aragora.knowledge.search.vectors import Vector, Vectors

DIMENSION = 64


class WordEmbedder:
    """A vector is the sum of those of the words. `fails`: what the next passages raise, the first one first."""

    floor = 0.3
    sure = 0.6

    def __init__(self, name: str = "words", dimension: int = DIMENSION) -> None:
        self.embedder_id = EmbedderId(name, "1", dimension, "", "l2", "whole")
        self.passages: list[str] = []
        self.fails: list[AragoraError] = []

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        if self.fails:
            raise self.fails.pop(0)
        self.passages += texts
        return np.stack([self._of(embeddable(text)) for text in texts])

    async def embed_query(self, text: str) -> Vector:
        return self._of(embeddable(text))

    async def aclose(self) -> None:
        """There is nothing to free."""

    def _of(self, text: str) -> Vector:
        words = query_tokens(text) or ("nothing",)
        rows = []
        for word in words:
            random = np.random.default_rng(int.from_bytes(sha256(word.encode()).digest()[:8], "big"))
            rows.append(random.standard_normal(self.embedder_id.dimension))
        made: Vector = units(np.sum(rows, axis=0))
        return made
