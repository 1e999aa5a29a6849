"""The one clock. Machines take times as arguments; code that acts asks this port, so tests can set the time."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch (UTC): for stamps that people and other machines read."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards, even when the wall clock is set: for durations and deadlines."""
        ...


class SystemClock:
    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()
