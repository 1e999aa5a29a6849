"""The port of what turns texts into vectors of meaning, and the guards that every implementation shares.

A text is guarded before it is embedded: empty and blank ones are refused, NUL becomes a space (the embedded model would
drop what follows it), two halves of a surrogate pair become their character. Texts too long for a model are split into
windows, whose vectors are averaged by the windows' lengths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import ArrayLike

from aragora.errors import InvalidInput, TooLarge
from aragora.knowledge.search.folding import folded, mended
from aragora.knowledge.search.vectors import Vector, Vectors

TEXT_MAX_CHARS: Final = 20_000
TEXTS_MAX: Final = 1_000
"""Of one call of `embed_passages`."""

_LEAST_LENGTH: Final = 1e-6


@dataclass(frozen=True, slots=True)
class EmbedderId:
    """What decides which vectors may be compared: those of equal ids, and no others. `str()` of it is the key under
    which vectors are kept.

    Args:
        name: of the model.
        version: of the model and of what runs it.
        dimension: numbers of each vector.
        prefix: what is put before a query and before a passage.
        normalisation: of the vectors.
        window: how texts that are too long for the model are handled.
    """

    name: str
    version: str
    dimension: int
    prefix: str
    normalisation: str
    window: str

    def __str__(self) -> str:
        return "|".join((self.name, self.version, str(self.dimension), self.prefix, self.normalisation, self.window))


class Embedder(Protocol):
    """Turns texts into float32 vectors of length 1.

    Every call raises InvalidInput for empty and blank texts and for too many, TooLarge for too long ones, Unavailable
    where it cannot be done now, Misconfigured where a person has to change a setting first.
    """

    @property
    def embedder_id(self) -> EmbedderId:
        """Known without loading or asking anything."""

    @property
    def floor(self) -> float:
        """The cosine below which nothing is relevant; measured, see `benchmarks.knowledge.floor`."""

    @property
    def sure(self) -> float:
        """The cosine above which hardly anything is unrelated. In between, meaning alone does not tell: a hit that
        shares no word with the query says little."""

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """A row for each of up to TEXTS_MAX texts that shall be found."""

    async def embed_query(self, text: str) -> Vector:
        """The vector of a question, which goes before waiting passages."""

    async def aclose(self) -> None:
        """Free what it holds; calls after it raise Unavailable."""


def embeddable(text: str) -> str:
    """`text` as it may be embedded. Raises InvalidInput where it has nothing to see, TooLarge above TEXT_MAX_CHARS."""
    if len(text) > TEXT_MAX_CHARS:
        raise TooLarge(f"A text can be embedded up to {TEXT_MAX_CHARS:,} characters, not {len(text):,}; shorten it.")
    if not folded(text).strip():
        raise InvalidInput("An empty or blank text has no meaning to look for; add a word.", code="empty_text")
    return mended(text).replace("\x00", " ")


def all_embeddable(texts: Sequence[str]) -> list[str]:
    """Each of `texts` as `embeddable` gives it. Raises InvalidInput for more than TEXTS_MAX, and what that raises."""
    if len(texts) > TEXTS_MAX:
        raise InvalidInput(f"Up to {TEXTS_MAX} texts can be embedded at once, not {len(texts)}; send fewer.")
    return [embeddable(text) for text in texts]


def windows(text: str, max_bytes: int) -> list[str]:
    """`text` in pieces of at most `max_bytes` of UTF-8 (16 or more), in order and without overlap, cut at a space where
    there is one in the last quarter."""
    pieces, left = [], text.encode()
    while len(left) > max_bytes:
        end = max_bytes
        while left[end] & 0xC0 == 0x80:  # within a character
            end -= 1
        space = left.rfind(b" ", max_bytes * 3 // 4, end)
        end = space + 1 if space >= 0 else end
        pieces.append(left[:end].decode())
        left = left[end:]
    return [*pieces, left.decode()]


def averaged(vectors: Vectors, weights: Sequence[float]) -> Vector:
    """The vector of a text from those of its windows, of length 1. Raises ValueError where there is none."""
    whole: Vector = units(np.asarray(weights, np.float32)[None, :] @ vectors)[0]
    return whole


def units(vectors: ArrayLike) -> Vectors:
    """The rows at length 1. Raises ValueError where one has no direction or is not finite."""
    rows = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    if not bool(np.all(np.isfinite(lengths) & (lengths > _LEAST_LENGTH))):
        raise ValueError("a vector has no direction")
    at_length_1: Vectors = (rows / lengths).astype(np.float32)
    return at_length_1
