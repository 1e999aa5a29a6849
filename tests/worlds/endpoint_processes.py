"""The processes of hot endpoints, as objects of this one."""

from __future__ import annotations

from collections.abc import Callable

from aragora.errors import Fenced
from aragora.webhooks.hot_endpoint import HotEndpoint, Made, Warmth


class ProcessesHere:
    """Fulfils `EndpointProcesses` by owners of their own in this process. With it they die together."""

    def __init__(self, make: Callable[[str, int], HotEndpoint]) -> None:
        self._make = make
        self.hot: dict[str, HotEndpoint] = {}

    async def activate(self, endpoint_id: str) -> None:
        """It runs."""

    async def begin(self, endpoint_id: str, epoch: int) -> None:
        hot = self._make(endpoint_id, epoch)
        await hot.begin()
        self.hot[endpoint_id] = hot

    async def take(self, endpoint_id: str, epoch: int, made: tuple[Made, ...]) -> None:
        await self._by(endpoint_id, epoch).take(made)

    async def work(self, endpoint_id: str, epoch: int) -> None:
        await self._by(endpoint_id, epoch).work()

    async def changed(self, endpoint_id: str, epoch: int) -> None:
        await self._by(endpoint_id, epoch).changed()

    async def cancelled(self, endpoint_id: str, epoch: int, delivery_id: str) -> None:
        self._by(endpoint_id, epoch).cancelled(delivery_id)

    async def warmth(self, endpoint_id: str, epoch: int) -> Warmth:
        return self._by(endpoint_id, epoch).warmth()

    async def release(self, endpoint_id: str, epoch: int, limit_s: float) -> int:
        hot = self._by(endpoint_id, epoch)
        del self.hot[endpoint_id]
        return await hot.release(limit_s)

    def _by(self, endpoint_id: str, epoch: int) -> HotEndpoint:
        hot = self.hot.get(endpoint_id)
        if hot is None or hot.epoch != epoch:
            raise Fenced(f"{endpoint_id} is not had by epoch {epoch}")
        return hot
