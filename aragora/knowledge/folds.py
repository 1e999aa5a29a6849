"""What follows from the newest notes of a key, kept for some seconds.

Many debates open at once, and folding takes milliseconds: each key is folded by one asker at a time, in a thread, and
the others wait for it. What is kept holds what notes hold: numbers, names, digests and ids.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from aragora.clock import Clock
from aragora.knowledge.bounded import Noted, readable
from aragora.knowledge.model import Home
from aragora.knowledge.observations import Observation
from aragora.supervision import begin

KEPT_S: Final = 15.0
"""For so long what is told may be behind the notes."""
KEPT_MAX: Final = 1_000  # keys

T = TypeVar("T")
N = TypeVar("N")


class Folds(Generic[T]):
    """Of one adapter. Belongs to one event loop."""

    def __init__(
        self, noted: Noted, adapter: str, limit: int, fold: Callable[[Sequence[Observation]], T], clock: Clock
    ) -> None:
        """`fold` is pure, and runs in a thread; it is given up to `limit` notes, the newest first."""
        self._noted = noted
        self._adapter = adapter
        self._limit = limit
        self._fold = fold
        self._clock = clock
        self._kept: OrderedDict[tuple[Home, str], tuple[float, T]] = OrderedDict()
        self._under_way: dict[tuple[Home, str], asyncio.Task[T]] = {}

    async def of(self, home: Home, key: str) -> T:
        """What follows from the notes of a key. Raises Unavailable where the store is away."""
        place = (home, key)
        kept = self._kept.get(place)
        if kept is not None and abs(self._clock.now() - kept[0]) < KEPT_S:
            return kept[1]
        task = self._under_way.get(place)
        if task is None:
            task = self._under_way[place] = begin(self._folded(home, key), "what follows from notes")
            task.add_done_callback(lambda _: self._under_way.pop(place, None))
        return await asyncio.shield(task)  # who leaves must not take it from the others

    async def _folded(self, home: Home, key: str) -> T:
        at = self._clock.now()
        notes = await self._noted.newest(home, self._adapter, key, self._limit)
        folded = await asyncio.to_thread(self._fold, notes) if notes else self._fold(notes)
        self._kept[home, key] = (at, folded)
        self._kept.move_to_end((home, key))
        if len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return folded


def by_debate(observations: Sequence[Observation], read: Callable[[Observation], N]) -> dict[str, N]:
    """What the notes of an adapter say, by debate; damaged ones are told of and left out."""
    return dict(readable(observations, lambda one: (one.debate_id, read(one))))
