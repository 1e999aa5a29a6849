"""How long to wait before trying again: exponential backoff with full jitter, and the provider's Retry-After.

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
