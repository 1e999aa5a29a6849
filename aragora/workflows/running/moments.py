"""The one who waits for the next moment that the rows tell of, and does what is due then.

It keeps one number, not a list: the rows know every moment, and the earliest is read again when it may have changed.
What is due at once is done in pages, the earliest first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from aragora.workflows.running.steady_clock import SteadyClock

LOOK_S: Final = 30.0
"""So often the rows are looked at although nothing is known to be due: another process may have written them."""
STUCK_S: Final = 0.5
"""After something was due and is so still: what it waits for is not time alone."""


class Moments:
    """`wake_due` does a page of what is due and says how much happened; `next_due` reads the earliest moment."""

    def __init__(
        self,
        clock: SteadyClock,
        wake_due: Callable[[], Awaitable[int]],
        next_due: Callable[[], Awaitable[float | None]],
    ) -> None:
        self._clock = clock
        self._wake_due = wake_due
        self._next_due = next_due
        self._at: float | None = None
        self._earlier = asyncio.Event()

    def due(self, at: float) -> None:
        """Something is due at `at` (seconds since the epoch)."""
        if self._at is None or at < self._at:
            self._at = at
            self._earlier.set()

    @property
    def waits_until(self) -> float | None:
        """The next moment that is known."""
        return self._at

    async def run(self) -> None:
        """Until cancelled. Raises Unavailable: begin again."""
        while True:
            self._earlier.clear()
            if await self._wake_due():
                continue  # there may be more
            self._at = await self._next_due()
            left = LOOK_S if self._at is None else self._at - self._clock.now()
            await self._sleep(min(LOOK_S, left) if left > 0.0 else STUCK_S)

    async def _sleep(self, for_s: float) -> None:
        try:
            async with asyncio.timeout(for_s):
                await self._earlier.wait()
        except TimeoutError:
            return
