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
from aragora.webhooks.endpoint_process import EndpointProcess
from aragora.webhooks.following import Authority
from aragora.webhooks.hot_endpoint import HotEndpoint
from aragora.webhooks.sender import Sender


class HotProcesses(ProcessesHere):
    """`away` names endpoints whose process does not answer; `begun` are the grants that were taken."""

    def __init__(self, opened: Callable[[], Database], crypto: EncryptionService) -> None:
        super().__init__(self._connected)
        self._opened = opened
        self._crypto = crypto
        self._senders: list[Sender] = []
        self._made: list[HotEndpoint] = []
        self.authority: Authority | None = None
        self.away: set[str] = set()
        self.begun: list[tuple[str, int]] = []

    def kill(self, endpoint_id: str) -> None:
        """End a process: what it had is gone, and the next message begins a new one."""
        hot = self.processes.pop(endpoint_id)._hot
        assert hot is not None
        deliverer: Any = hot._owner._deliverer
        deliverer._stopped = deliverer._ended = True
        for task in (*deliverer._running, deliverer._pumping):
            task.cancel()

    async def activate(self, endpoint_id: str) -> None:
        self._refuse_away(endpoint_id)
        await super().activate(endpoint_id)

    async def begin(self, endpoint_id: str, epoch: int) -> None:
        await super().begin(endpoint_id, epoch)
        self.begun.append((endpoint_id, epoch))

    def _connected(self, endpoint_id: str, epoch: int) -> HotEndpoint:
        """One with connections of its own."""
        assert self.authority is not None
        self._senders.append(loopback_sender())
        made = HotEndpoint(
            endpoint_id,
            epoch,
            self._opened(),
            self._crypto,
            sender=self._senders[-1],
            authority=self.authority,
            clock=SystemClock(),
            slots=50,
        )
        self._made.append(made)
        return made

    async def aclose(self) -> None:
        for hot in self._made:
            await hot.release(0.0)
        for sender in self._senders:
            await sender.aclose()

    def _process(self, endpoint_id: str) -> EndpointProcess:
        self._refuse_away(endpoint_id)
        return super()._process(endpoint_id)

    def _refuse_away(self, endpoint_id: str) -> None:
        if endpoint_id in self.away:
            raise Unavailable(f"the process of {endpoint_id} does not answer")
