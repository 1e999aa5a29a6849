"""How many lines of a kind a process logs: a flood of requests or answers must not become a flood of log.

A token bucket: `burst` lines at once, `per_s` lines a second in the long run. What is left out is counted, and the next
line that passes tells how many there were. Pure: the time comes in as an argument. Not for sharing between threads.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from typing import Final, Self

from aragora.resilience.token_bucket import TokenBucket

PER_S: Final = 20.0
BURST: Final = 50.0

SELDOM_PER_S: Final = 0.1
SELDOM_BURST: Final = 5.0


class LineBudget:
    """The budget of one kind of line in one process."""

    __slots__ = ("_bucket", "_left_out")

    def __init__(self, per_s: float = PER_S, burst: float = BURST) -> None:
        self._bucket = TokenBucket(per_s, burst, 0.0)
        self._left_out = 0

    @classmethod
    def seldom(cls) -> Self:
        """The budget of a line that tells of a fault, with a traceback perhaps: the fault may come a thousand times a
        second, and a line every ten seconds tells enough of it."""
        return cls(SELDOM_PER_S, SELDOM_BURST)

    def take(self, now: float) -> dict[str, int] | None:
        """Ask for one line at `now` (monotonic seconds). Returns the fields to add to it: `left_out`, the number of
        lines of this kind that were left out since the last one, where there were any. None: leave this one out."""
        if self._bucket.take(now) > 0.0:
            self._left_out += 1
            return None
        left_out, self._left_out = self._left_out, 0
        return {"left_out": left_out} if left_out else {}


class LineBudgets:
    """A budget for each kind of line, so that many lines of one kind hide none of another. Kinds come from the code and
    never from outside, for each is kept."""

    __slots__ = ("_of",)

    def __init__(self) -> None:
        self._of: defaultdict[Hashable, LineBudget] = defaultdict(LineBudget)

    def take(self, kind: Hashable, now: float) -> dict[str, int] | None:
        """As `LineBudget.take`, of the budget of `kind`."""
        return self._of[kind].take(now)
