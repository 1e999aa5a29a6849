"""The token bucket: so much at once, so much a second in the long run. Pure: the time is an argument."""

from __future__ import annotations


class TokenBucket:
    """Full with `burst` tokens at `now` (monotonic seconds); `per_s` come back each second. Not for sharing between
    threads."""

    __slots__ = ("_at", "_burst", "_per_s", "_tokens")

    def __init__(self, per_s: float, burst: float, now: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._tokens = float(burst)
        self._at = now

    def take(self, now: float) -> float:
        """Take a token. Zero where there was one, else the seconds until there is."""
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._per_s)
        self._at = now
        if self._tokens < 1.0:
            return (1.0 - self._tokens) / self._per_s
        self._tokens -= 1.0
        return 0.0
