"""A retry budget: retries may be only a small share of the calls, so that they never feed an outage.

A token bucket: every first call deposits a fraction of a token, every retry takes a whole one. With a deposit of
0.1, retries add at most a tenth to the load, plus the capacity saved up in good times.
"""

from __future__ import annotations


class RetryBudget:
    """Tokens for retries. Starts full. Not for sharing between threads."""

    __slots__ = ("_capacity", "_deposit", "_tokens")

    def __init__(self, capacity: float = 10.0, deposit: float = 0.1) -> None:
        self._capacity = capacity
        self._deposit = deposit
        self._tokens = capacity

    @property
    def tokens(self) -> float:
        """Retries (whole and fractions) that could be paid now."""
        return self._tokens

    def called(self) -> None:
        """A first call was made: deposit."""
        if self._tokens < self._capacity:
            self._tokens = min(self._capacity, self._tokens + self._deposit)

    def take(self) -> bool:
        """Pay for one retry; False where the budget does not allow it."""
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
