"""What the index of meanings answers. Apart from the index, so that who only asks it loads no vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

APART: Final = 8
"""By so many vectors index and store may differ: a batch of the lane may be on its way."""


@dataclass(frozen=True, slots=True)
class Near:
    """What the index has for a question: numbers of items with their cosines, the nearest first; `exact`, whether every
    vector was compared; `waiting`, how many items have no vector yet; `sure`, the cosine from which on hardly anything
    is there by chance; `embedder_id`, whose vectors they are; `known`, the generations of the scopes (see
    `aragora.knowledge.store.generations`) up to which the index has followed the store."""

    found: tuple[tuple[int, float], ...]
    exact: bool
    waiting: int
    sure: float = -1.0
    embedder_id: str = ""
    known: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IndexFigures:
    """For metrics and health. `oldest_s`: how long the oldest item of the batch that was looked at last had waited;
    `arriving`: whether vectors of another embedder are made, which will take the place of those that are searched.
    `stored`: how many vectors the store has, None where that was not asked or the index is being loaded. `embeds`:
    whether a known text got its known vector, None where that was not tried yet."""

    loaded: bool
    vectors: int
    waiting: int
    oldest_s: float
    size_bytes: int
    arriving: bool = False
    stored: int | None = None
    embeds: bool | None = None


class Stage(StrEnum):
    """How far the index is with being built anew."""

    LOADING = "loading"  # the vectors that are stored; searches go by words meanwhile
    EMBEDDING = "embedding"  # vectors are computed again, beside searches
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Rebuild:
    """The last time that somebody had the index built anew. `done` of `of` vectors are loaded or computed; `refused`
    texts could not be embedded. Times are seconds since the epoch."""

    rebuild_id: str
    stage: Stage
    embed_anew: bool
    done: int
    of: int
    refused: int
    began_at: float
    ended_at: float | None
