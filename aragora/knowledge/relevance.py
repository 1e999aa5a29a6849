"""Whether an item that shares words with a query has anything to do with it. Pure.

The measure is how much of the query an item covers: the share of the query's tokens that it holds, where short words,
which are mostly articles and prepositions in the languages that have them, weigh little. Full text ranks by rarity and
finds an item for any one common word; on its own that is no reason to call it relevant.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final

COVERED_LEAST: Final = 0.5
"""Of a query, by an item that is found by words alone. Judgement: see benchmarks.knowledge for what it does."""

SHARED_LEAST: Final = 0.15
"""Of a query, by an item whose meaning is near, but not surely so."""

_SHORT: Final = 3  # letters of a word
_SHORT_WEIGHS: Final = 0.2


Cover = Callable[[Collection[str]], float]


def cover_of(query: Collection[str]) -> Cover:
    """What tells of tokens that an item holds which share of the query they cover, 0 to 1."""
    weights = {token: _weight(token) for token in query}
    whole = sum(weights.values())

    def cover(held: Collection[str]) -> float:
        return sum(weight for token, weight in weights.items() if token in held) / whole if whole else 0.0

    return cover


def telling(query: Sequence[str]) -> tuple[str, ...]:
    """The tokens of a query that are more than short words; all of them where it has no others."""
    return tuple(token for token in query if _weight(token) == 1.0) or tuple(query)


def _weight(token: str) -> float:
    return _SHORT_WEIGHS if len(token) <= _SHORT and token.isascii() and token.isalpha() else 1.0
