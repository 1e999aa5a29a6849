"""A clock for moments that are due: it tells the time of day and never goes back.

Where the clock of the machine is set back, it goes on from where it was, by the clock that only runs forwards: what was
due is not due again, and nothing waits for an hour that comes twice. Where the clock is set forward it follows.
"""

from __future__ import annotations

from aragora.clock import Clock


class SteadyClock:
    """Seconds since the epoch that never run backwards, over a clock of the process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._now = clock.now()
        self._at = clock.monotonic()

    def now(self) -> float:
        """Seconds since the epoch."""
        wall = self._clock.now()  # first: a process that is put aside between the two is behind then, and never ahead
        at = self._clock.monotonic()
        self._now = max(self._now + max(0.0, at - self._at), wall)
        self._at = at
        return self._now

    def monotonic(self) -> float:
        """As the process's clock."""
        return self._clock.monotonic()
