"""What the index of meanings answers. Apart from the index, so that who only asks it loads no vectors."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Near:
    """What the index has for a question: numbers of items with their cosines, the nearest first; `exact`, whether every
    vector was compared; `waiting`, how many items have no vector yet; `sure`, the cosine from which on hardly anything
    is there by chance."""

    found: tuple[tuple[int, float], ...]
    exact: bool
    waiting: int
    sure: float = -1.0


@dataclass(frozen=True, slots=True)
class IndexFigures:
    """For metrics and health. `oldest_s`: how long the oldest item of the batch that was looked at last had waited."""

    loaded: bool
    vectors: int
    waiting: int
    oldest_s: float
    size_bytes: int
