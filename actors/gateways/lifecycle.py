"""The server's lifecycle as a replica sees it: one long poll on the shared state, read without a hop."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

import structlog

from actors.kinds import SHARED, SHARED_KEY
from actors.runtime import Runtime
from actors.shared_state import POLL_S, Lifecycle, LifecycleState
from aragora.background import until_available
from aragora.clock import Clock
from aragora.errors import AragoraError
from aragora.server.ports import Readiness

log = structlog.get_logger("aragora.server")

PAUSE_S: Final = 0.5


class SharedLifecycle:
    """Fulfils `Lifecycle`. `started_at` is when the server (not this replica) started, in seconds since the epoch."""

    def __init__(self, runtime: Runtime, clock: Clock, started_at: float) -> None:
        self._shared = runtime.at(SHARED, SHARED_KEY)
        self._clock = clock
        self._started_at = started_at
        self._known = LifecycleState(0, Lifecycle.STARTING, "the server is starting", started_at)
        self._reachable = True
        self._closing = asyncio.Event()
        self._following: asyncio.Task[None] | None = None

    def uptime_s(self) -> float:
        return max(0.0, self._clock.now() - self._started_at)

    async def readiness(self) -> Readiness:
        if self._follow():
            with suppress(AragoraError):  # which `_reachable` tells
                await self._refresh(known=0)
        if not self._reachable:
            return Readiness("degraded", ("the shared state cannot be reached; its actor is being restarted",))
        reasons = (self._known.reason,) if self._known.reason else ()
        state = Lifecycle.DRAINING if self._known.state is Lifecycle.CLOSING else self._known.state
        return Readiness(state.value, reasons)

    async def closing(self) -> str:
        self._follow()
        await self._closing.wait()
        return self._known.reason

    def _follow(self) -> bool:
        """Start the long poll with the first question; True if it was not running."""
        if self._following is not None and not self._following.done():
            return False
        self._following = asyncio.get_running_loop().create_task(
            until_available(
                self._until_closing,
                lambda _: PAUSE_S,
                what="shared state not reached",
                log=log,
                retried=AragoraError,
            )
        )
        return True

    async def _until_closing(self) -> None:
        while self._known.state is not Lifecycle.CLOSING:
            await self._refresh(self._known.version)

    async def _refresh(self, known: int) -> None:
        try:
            self._known = await self._shared.ask(lambda it: it.lifecycle(known), timeout_s=POLL_S + 5.0)
        except AragoraError:
            self._reachable = False
            raise
        self._reachable = True
        if self._known.state is Lifecycle.CLOSING:
            self._closing.set()
