"""Passivation: an actor that nobody needed for a while ends its process; the next message activates it anew."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from actors.runtime import retire
from aragora.clock import Clock


class Passivation:
    """Ends this process once it was idle for `after_s` seconds and `busy()` is false; `closing` runs before.

    Whoever sends a message at that very moment finds the actor gone, and activates it again: messages carry ids.
    """

    def __init__(
        self, clock: Clock, after_s: float, busy: Callable[[], bool], closing: Callable[[], Awaitable[None]]
    ) -> None:
        self._clock = clock
        self._after_s = after_s
        self._busy = busy
        self._closing = closing
        self._used_at = clock.monotonic()
        self._watching: asyncio.Task[None] | None = None

    def touch(self) -> None:
        """The actor is being used now. The first call starts the watch."""
        self._used_at = self._clock.monotonic()
        if self._watching is None:
            self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            idle_s = self._clock.monotonic() - self._used_at
            if idle_s >= self._after_s and not self._busy():
                break
            await asyncio.sleep(max(0.2, self._after_s - idle_s))
        await self._closing()
        retire()
