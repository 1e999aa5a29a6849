"""Items that wait for their vectors, by number: the newest first, each once, and no more than a bound. Pure.

What does not fit in is left to whoever fills the lane again from the store. What its embedder refuses waits no more,
until it says something else.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence


class Lane:
    """Of one index; holds up to `most` items."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: OrderedDict[int, None] = OrderedDict()  # the newest last
        self._refused: set[int] = set()
        self.overflowed = False
        """Whether more wait in the store than the lane has."""

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[int]:
        return iter(self._waiting)

    def wait_for(self, item_no: int) -> None:
        """An item is new, or says something else: it is the newest."""
        if len(self._waiting) >= self._most:
            self.overflowed = True
            return
        self._waiting[item_no] = None
        self._waiting.move_to_end(item_no)

    def filled(self, newest_first: Sequence[int]) -> None:
        """What the store says waits, up to the bound."""
        self.overflowed = len(newest_first) >= self._most
        for item_no in reversed(newest_first):
            if item_no not in self._refused:
                self._waiting[item_no] = None

    def newest(self, count: int) -> list[int]:
        """Up to so many, which go on waiting."""
        return [item_no for item_no, _ in zip(reversed(self._waiting), range(count), strict=False)]

    def done(self, item_nos: Sequence[int]) -> None:
        """These wait no more."""
        for item_no in item_nos:
            self._waiting.pop(item_no, None)

    def refuse(self, item_no: int) -> None:
        """It cannot be embedded as it is."""
        self._refused.add(item_no)

    def changed(self, item_no: int) -> None:
        """It is not what it was: whatever was known of it here is over."""
        self._waiting.pop(item_no, None)
        self._refused.discard(item_no)

    def clear(self) -> None:
        """Nothing waits, and nothing is refused any more."""
        self._waiting.clear()
        self._refused.clear()
