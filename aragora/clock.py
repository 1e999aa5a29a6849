"""The one clock. Machines take times as arguments; whatever acts asks this port, so tests can set the time."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch (UTC): for stamps that people and other machines read."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards: for durations and deadlines, whatever happens to the wall clock."""
        ...


class SystemClock:
    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()
