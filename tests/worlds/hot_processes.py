"""The processes of hot endpoints, as objects of this one: each with connections of its own, and killed at will."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from worlds.webhook_dispatchers import loopback_sender

from aragora.clock import SystemClock
from aragora.errors import Fenced, Unavailable
from aragora.secrets.encryption import EncryptionService
from aragora.storage.database import Database
from aragora.webhooks.following import Authority
from aragora.webhooks.hot_endpoint import HotEndpoint, Made, Warmth
from aragora.webhooks.sender import Sender


class HotProcesses:
    """Fulfils `EndpointProcesses`. `away` names endpoints whose process does not answer; `begun` counts the grants."""

    def __init__(self, opened: Callable[[], Database], crypto: EncryptionService) -> None:
        self._opened = opened
        self._crypto = crypto
        self._senders: list[Sender] = []
        self._ended: list[HotEndpoint] = []
        self.authority: Authority | None = None
        self.hot: dict[str, HotEndpoint] = {}
        self.away: set[str] = set()
        self.begun: list[tuple[str, int]] = []

    def kill(self, endpoint_id: str) -> None:
        """End a process: what it had is gone, and the next message begins a new one."""
        self._ended.append(self.hot.pop(endpoint_id))
        deliverer: Any = self._ended[-1]._owner._deliverer
        deliverer._stopped = deliverer._ended = True
        for task in (*deliverer._running, deliverer._pumping):
            task.cancel()

    async def activate(self, endpoint_id: str) -> None:
        self._refuse_away(endpoint_id)

    async def begin(self, endpoint_id: str, epoch: int) -> None:
        self._refuse_away(endpoint_id)
        assert self.authority is not None
        self._senders.append(loopback_sender())
        hot = HotEndpoint(
            endpoint_id,
            epoch,
            self._opened(),
            self._crypto,
            sender=self._senders[-1],
            authority=self.authority,
            clock=SystemClock(),
            slots=50,
        )
        await hot.begin()
        self.begun.append((endpoint_id, epoch))
        if (before := self.hot.get(endpoint_id)) is not None:
            self._ended.append(before)
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
        self._by(endpoint_id, epoch)
        self._ended.append(self.hot.pop(endpoint_id))
        return await self._ended[-1].release(limit_s)

    async def aclose(self) -> None:
        for hot in [*self._ended, *self.hot.values()]:
            await hot.release(0.0)
        for sender in self._senders:
            await sender.aclose()

    def _by(self, endpoint_id: str, epoch: int) -> HotEndpoint:
        self._refuse_away(endpoint_id)
        hot = self.hot.get(endpoint_id)
        if hot is None or hot.epoch != epoch:
            raise Fenced(f"this process does not have {endpoint_id}")
        return hot

    def _refuse_away(self, endpoint_id: str) -> None:
        if endpoint_id in self.away:
            raise Unavailable(f"the process of {endpoint_id} does not answer")
