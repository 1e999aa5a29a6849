"""Whether the parts behind this replica work: the store, by a look that all requests share, and background work."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from actors.gateways.operations import SharedLifecycle
from aragora.clock import Clock
from aragora.errors import AragoraError
from aragora.server.ports import Vitals
from aragora.storage.counters import CounterStore
from aragora.supervision import LOOPS, Loops, begin

FRESH_S: Final = 2.0
"""How long an answer is kept: so often the store is looked at, however many ask."""
LOOK_S: Final = 5.0
PATIENCE_S: Final = 1.0
"""How long a question waits for a look that hangs; then it gets what was seen before."""

log = structlog.get_logger("aragora.server")


class StoreProbe:
    """Looks at the stores by reading a row of each. One look serves all who ask meanwhile and for `FRESH_S` after."""

    def __init__(self, counters: Sequence[CounterStore], clock: Clock) -> None:
        self._counters = counters
        self._clock = clock
        self._up = True
        self._looked_at: float | None = None
        self._looking: asyncio.Task[None] | None = None

    async def up(self) -> bool:
        """Whether the stores answer."""
        if self._looking is None:
            if self._looked_at is not None and self._clock.monotonic() - self._looked_at < FRESH_S:
                return self._up
            self._looking = begin(self._look(), "look at the store")
        await asyncio.wait({self._looking}, timeout=None if self._looked_at is None else PATIENCE_S)
        return self._up

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(LOOK_S):
                await asyncio.gather(*(store.look() for store in self._counters))
        except (AragoraError, TimeoutError) as error:
            if self._up:
                reason = error.message if isinstance(error, AragoraError) else f"no answer within {LOOK_S:g} s"
                log.warning("the store is away", error=reason)
            self._up = False
        else:
            if not self._up:
                log.info("the store is back")
            self._up = True
        finally:
            self._looked_at = self._clock.monotonic()
            self._looking = None


class ReplicaVitals:
    """Fulfils `VitalSigns`."""

    def __init__(self, store: StoreProbe, lifecycle: SharedLifecycle, loops: Loops = LOOPS) -> None:
        self._store = store
        self._lifecycle = lifecycle
        self._loops = loops

    async def vitals(self) -> Vitals:
        troubled = {*self._loops.troubled(), *self._lifecycle.troubled()}
        return Vitals(await self._store.up(), tuple(sorted(troubled)))
