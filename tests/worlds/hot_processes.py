"""The processes of hot endpoints, as objects of this one: each with connections of its own, and killed at will."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from worlds.endpoint_processes import ProcessesHere
from worlds.webhook_dispatchers import loopback_sender

from aragora.clock import SystemClock
from aragora.errors import Unavailable
from aragora.secrets.encryption import EncryptionService
from aragora.storage.database import Database
from aragora.webhooks.following import Authority
from aragora.webhooks.hot_endpoint import HotEndpoint
from aragora.webhooks.sender import Sender


class HotProcesses(ProcessesHere):
    """`away` names endpoints whose process does not answer; `begun` counts the grants."""

    def __init__(self, opened: Callable[[], Database], crypto: EncryptionService) -> None:
        super().__init__(self._connected)
        self._opened = opened
        self._crypto = crypto
        self._senders: list[Sender] = []
        self._ended: list[HotEndpoint] = []
        self.authority: Authority | None = None
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
        before = self.hot.get(endpoint_id)
        await super().begin(endpoint_id, epoch)
        self.begun.append((endpoint_id, epoch))
        if before is not None:
            self._ended.append(before)

    def _connected(self, endpoint_id: str, epoch: int) -> HotEndpoint:
        """One with connections of its own."""
        assert self.authority is not None
        self._senders.append(loopback_sender())
        return HotEndpoint(
            endpoint_id,
            epoch,
            self._opened(),
            self._crypto,
            sender=self._senders[-1],
            authority=self.authority,
            clock=SystemClock(),
            slots=50,
        )

    async def release(self, endpoint_id: str, epoch: int, limit_s: float) -> int:
        self._ended.append(self._by(endpoint_id, epoch))
        return await super().release(endpoint_id, epoch, limit_s)

    async def aclose(self) -> None:
        for hot in [*self._ended, *self.hot.values()]:
            await hot.release(0.0)
        for sender in self._senders:
            await sender.aclose()

    def _by(self, endpoint_id: str, epoch: int) -> HotEndpoint:
        self._refuse_away(endpoint_id)
        return super()._by(endpoint_id, epoch)

    def _refuse_away(self, endpoint_id: str) -> None:
        if endpoint_id in self.away:
            raise Unavailable(f"the process of {endpoint_id} does not answer")
