"""How many requests to receivers are on their way, of all processes that deliver for the server."""

from __future__ import annotations

import asyncio
from typing import Final

from actors.kinds import DELIVERING, Delivering, Kind
from actors.runtime import ONCE, Runtime
from aragora.errors import AragoraError

TIMEOUT_S: Final = 1.0


class WebhooksInFlight:
    """Asks those that have a process, and wakes none. Nothing is kept: a process that is gone counts no more."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def count(self) -> int:
        """The sum; of a process that ends or hangs just now nothing is known, and it counts as none. Raises Unavailable
        where the cluster does not tell its actors."""
        told = [self._of(kind, key) for kind in DELIVERING for key in sorted(await self._runtime.alive(kind))]
        return sum(await asyncio.gather(*told))

    async def _of(self, kind: Kind[Delivering], key: str) -> int:
        try:
            return await self._runtime.at(kind, key).ask(lambda it: it.in_flight(), timeout_s=TIMEOUT_S, backoff=ONCE)
        except AragoraError:
            return 0
