"""What the index of meanings answers. Apart from the index, so that who only asks it loads no vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


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
    `arriving`: whether vectors of another embedder are made, which will take the place of those that are searched."""

    loaded: bool
    vectors: int
    waiting: int
    oldest_s: float
    size_bytes: int
    arriving: bool = False
