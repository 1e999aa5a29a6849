"""Whether an item that shares words with a query has anything to do with it. Pure.

The measure is how much of the query an item covers: the share of the query's tokens that it holds, where short words,
which are mostly articles and prepositions in the languages that have them, weigh little. Full text ranks by rarity and
finds an item for any one common word; on its own that is no reason to call it relevant.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

COVERED_LEAST: Final = 0.5
"""Of a query, by an item that is found by words alone. Judgement: see benchmarks.knowledge for what it does."""

SHARED_LEAST: Final = 0.15
"""Of a query, by an item whose meaning is near, but not surely so."""

_SHORT: Final = 3  # letters of a word
_SHORT_WEIGHS: Final = 0.2


def covered(query: Collection[str], held: Collection[str]) -> float:
    """The share of the query that the tokens `held` cover, 0 to 1."""
    whole = sum(map(_weight, query))
    return sum(_weight(token) for token in query if token in held) / whole if whole else 0.0


def _weight(token: str) -> float:
    return _SHORT_WEIGHS if len(token) <= _SHORT and token.isascii() and token.isalpha() else 1.0
