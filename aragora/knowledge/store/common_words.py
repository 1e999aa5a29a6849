"""Which words of a query are so common where it looks that they find nothing in particular.

Full text ranks every item that holds any of the words, and counts for each word all items that hold it: a query with
`the` in it reads the whole workspace. Where rarer words are there, those alone are looked up; what they find is ranked
by all words afterwards (`aragora.knowledge.relevance`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select

from aragora.clock import Clock, SystemClock
from aragora.knowledge.store.lexical import containing
from aragora.resilience.cache import Cache
from aragora.storage.database import Database

COMMON: Final = 1_000
"""Items that hold a common word. Where there are fewer items, no word is common."""

KEPT: Final = 20_000
KEPT_S: Final = 600.0
_AT_ONCE: Final = 32  # words counted by one query
_EVERYWHERE: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Rarer:
    """The rarer words of a query, in their order. `everywhere`: they are rare in the whole store, so that looking them
    up needs no scope to be quick."""

    tokens: tuple[str, ...]
    everywhere: bool


class CommonWords:
    """Over the database of context `aragora_memory`. What was counted is remembered for `KEPT_S` seconds."""

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock or SystemClock()
        self._known: Cache[tuple[frozenset[str], str], bool] = Cache(KEPT, KEPT_S)

    async def rarer(self, scopes: Collection[str], tokens: Sequence[str]) -> Rarer:
        """Those of `tokens` that are not common in these scopes. Raises Unavailable."""
        often = await self._common(_EVERYWHERE, tokens)  # first: it is counted quickly, and mostly answers
        common = await self._common(frozenset(scopes), [token for token in tokens if token in often])
        rarer = tuple(token for token in tokens if token not in common)
        return Rarer(rarer, often.isdisjoint(rarer))

    async def _common(self, scopes: frozenset[str], tokens: Sequence[str]) -> set[str]:
        now = self._clock.monotonic()
        known = {token: self._known.get((scopes, token), now) for token in tokens}
        unknown = [token for token, common in known.items() if common is None]
        for start in range(0, len(unknown), _AT_ONCE):
            part = unknown[start : start + _AT_ONCE]
            for token, common in zip(part, await self._counted(scopes, part), strict=True):
                self._known.filling((scopes, token))(common, now)
                known[token] = common
        return {token for token, common in known.items() if common}

    async def _counted(self, scopes: Collection[str], tokens: Sequence[str]) -> list[bool]:
        counts = [
            select(func.count())
            .select_from(
                containing(self._database, scopes, (token,), named=f"question_{place}").limit(COMMON).subquery()
            )
            .scalar_subquery()
            for place, token in enumerate(tokens)
        ]
        (row,) = await self._database.rows(select(*counts), "counting words")
        return [count >= COMMON for count in row]
