"""Whether to try again, and how long to wait before it: a retry budget, exponential backoff with full jitter, and the
provider's Retry-After.

Full jitter (a uniform draw from zero to the cap of the attempt) spreads the retries of many callers best; see
Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. Pure: the draw comes in as a number,
and nothing here sleeps, which is why it is not tenacity: that library draws, sleeps and catches by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime


@dataclass(frozen=True, slots=True)
class Backoff:
    """`base_s` doubles with every attempt up to `cap_s`; at most `attempts` calls are made in all."""

    base_s: float = 0.5
    cap_s: float = 20.0
    attempts: int = 3

    def delay_s(self, attempt: int, draw: float, retry_after_s: float | None = None) -> float:
        """Seconds to wait after the failed `attempt` (1 for the first); `draw` is uniform in [0, 1).

        A Retry-After is a floor: the wait is never shorter, and the jitter comes on top of it.
        """
        ceiling = min(self.cap_s, self.base_s * 2.0 ** min(attempt - 1, 30))
        jitter = draw * ceiling
        return jitter if retry_after_s is None else retry_after_s + jitter


class RetryBudget:
    """Retries may be only a small share of the calls, so that they never feed an outage.

    A token bucket that starts full: every first call deposits a fraction of a token, every retry takes a whole one.
    With a deposit of 0.1, retries add at most a tenth to the load, plus the capacity saved up in good times. Not for
    sharing between threads.
    """

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


def parse_retry_after(value: str | None, wall: float) -> float | None:
    """Seconds to wait that a Retry-After header asks for (RFC 9110, 10.2.3), or None without a usable one.

    `wall` is the time now in seconds since the epoch, for the form of the header that is a date.
    """
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - wall
        except (ValueError, TypeError, OverflowError):
            return None
    return max(0.0, seconds) if seconds < float("inf") else None
