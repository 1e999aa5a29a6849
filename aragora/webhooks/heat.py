"""Which targets are sent so much that a process of their own pays: counts in windows of `WINDOW_S` seconds. Pure; times
are monotonic seconds.

A process costs about 50 MB. One that waits for slow answers costs its owner next to no time, so what counts is how
often a target is sent to, and not for how long.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

WINDOW_S: Final = 10.0
HOT_RATE: Final = 20.0
"""Requests a second, over a whole window, from which on a target is hot."""
COLD_RATE: Final = 5.0
"""Requests a second below which it is cold again: between the two it stays what it is."""


class Heat:
    """How often each target is sent to. It holds the targets of the last two windows, and no others."""

    def __init__(self) -> None:
        self._window = 0
        self._counts: Counter[str] = Counter()
        self._before: Counter[str] = Counter()

    def note(self, target_id: str, now: float) -> None:
        """A request was made."""
        self._turn(now)
        self._counts[target_id] += 1

    def rate(self, target_id: str, now: float) -> float:
        """Requests a second, in the last whole window."""
        self._turn(now)
        return self._before[target_id] / WINDOW_S

    def hot(self, now: float) -> list[str]:
        """The targets that were hot in the last whole window, the hottest first."""
        self._turn(now)
        return [target_id for target_id, count in self._before.most_common() if count >= HOT_RATE * WINDOW_S]

    def _turn(self, now: float) -> None:
        window = int(now // WINDOW_S)
        if window == self._window:
            return
        self._before = self._counts if window == self._window + 1 else Counter()
        self._counts = Counter()
        self._window = window
