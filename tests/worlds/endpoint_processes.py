"""The processes of hot endpoints, as objects of this one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from aragora.webhooks.endpoint_process import EndpointProcess
from aragora.webhooks.hot_endpoint import HotEndpoint, Made, Warmth


class ProcessesHere:
    """Fulfils `EndpointProcesses` by owners of their own in this process. With it they die together."""

    def __init__(self, make: Callable[[str, int], HotEndpoint]) -> None:
        self._make = make
        self.processes: dict[str, EndpointProcess] = {}

    @property
    def hot(self) -> dict[str, HotEndpoint]:
        """The endpoints that a process has, by their ids."""
        return {one: process._hot for one, process in self.processes.items() if process._hot is not None}

    async def activate(self, endpoint_id: str) -> None:
        self._process(endpoint_id)

    async def begin(self, endpoint_id: str, epoch: int) -> None:
        await self._process(endpoint_id).begin(epoch)

    async def take(self, endpoint_id: str, epoch: int, made: tuple[Made, ...]) -> None:
        await (await self._by(endpoint_id, epoch)).take(made)

    async def work(self, endpoint_id: str, epoch: int) -> None:
        await (await self._by(endpoint_id, epoch)).work()

    async def changed(self, endpoint_id: str, epoch: int) -> None:
        await (await self._by(endpoint_id, epoch)).changed()

    async def cancelled(self, endpoint_id: str, epoch: int, delivery_id: str) -> None:
        (await self._by(endpoint_id, epoch)).cancelled(delivery_id)

    async def warmth(self, endpoint_id: str, epoch: int) -> Warmth:
        return (await self._by(endpoint_id, epoch)).warmth()

    async def release(self, endpoint_id: str, epoch: int, limit_s: float) -> int:
        return await self._process(endpoint_id).release(epoch, limit_s)

    def _process(self, endpoint_id: str) -> EndpointProcess:
        """Where the last one has ended, a new one."""
        if endpoint_id not in self.processes:
            self.processes[endpoint_id] = EndpointProcess(endpoint_id, partial(self._make, endpoint_id))
        return self.processes[endpoint_id]

    async def _by(self, endpoint_id: str, epoch: int) -> HotEndpoint:
        return await self._process(endpoint_id).by(epoch)
