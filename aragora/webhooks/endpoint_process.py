"""What the process of an endpoint has of it: the endpoint by one epoch, or nothing.

Every message carries the epoch by which the dispatcher believes this process to have the endpoint. A process that
began anew, or was cut off meanwhile, says that it has not (Fenced), and is given it again. One that is just taking it,
or letting go of it, answers once it has: a dispatcher that believed it to have nothing would grant the endpoint again,
and what is on its way would be sent twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aragora.errors import Fenced
from aragora.webhooks.hot_endpoint import HotEndpoint


class EndpointProcess:
    """Belongs to one event loop. `make` makes the owner of an endpoint for an epoch; it is not begun."""

    def __init__(self, endpoint_id: str, make: Callable[[int], HotEndpoint]) -> None:
        self._endpoint_id = endpoint_id
        self._make = make
        self._hot: HotEndpoint | None = None
        self._changing_hands = asyncio.Lock()

    @property
    def busy(self) -> bool:
        """Whether it has the endpoint."""
        return self._hot is not None

    @property
    def in_flight(self) -> int:
        """How many requests are on their way."""
        return 0 if self._hot is None else self._hot.in_flight

    async def begin(self, epoch: int) -> None:
        """Take the endpoint by this epoch. Raises Unavailable; Fenced where there is a newer one."""
        async with self._changing_hands:
            if self._hot is not None:
                if self._hot.epoch == epoch:
                    return
                if self._hot.epoch > epoch:  # the message is late: what it would end is in its place
                    raise Fenced(f"this process has webhook {self._endpoint_id} by epoch {self._hot.epoch}")
                await self._let_go(0.0)
            hot = self._make(epoch)
            await hot.begin()
            self._hot = hot

    async def by(self, epoch: int) -> HotEndpoint:
        """The endpoint, which this process has by this epoch; returns once nothing changes hands. Raises Fenced."""
        async with self._changing_hands:
            return self._held(epoch)

    async def release(self, epoch: int, limit_s: float) -> int:
        """See `HotEndpoint.release`. Raises Fenced."""
        async with self._changing_hands:
            self._held(epoch)
            return await self._let_go(limit_s)

    async def let_go(self, limit_s: float) -> int:
        """Release whatever it has; returns how many requests were cut off after `limit_s` seconds."""
        async with self._changing_hands:
            return await self._let_go(limit_s)

    def _held(self, epoch: int) -> HotEndpoint:
        if self._hot is None or self._hot.epoch != epoch:
            raise Fenced(f"this process does not have webhook {self._endpoint_id} by epoch {epoch}")
        return self._hot

    async def _let_go(self, limit_s: float) -> int:
        hot, self._hot = self._hot, None
        return 0 if hot is None else await hot.release(limit_s)
