"""A webhook endpoint that is sent much, as an actor with a process of its own. What it does is in
`aragora.webhooks.hot_endpoint`; who gives it the endpoint, and takes it back, is the dispatcher.

Every message carries the epoch by which the dispatcher believes this process to have the endpoint. A process that
began anew, or was cut off meanwhile, says that it has not (Fenced), and is given it again.
"""

from __future__ import annotations

import asyncio

from actors.gateways.webhook_endpoints import DispatcherAuthority
from actors.runtime import Runtime
from actors.virtual import VirtualActor, collect_seldom
from aragora.config.settings import Settings
from aragora.errors import Fenced
from aragora.secrets.encryption import service_of
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.webhooks.egress import guard_of, open_sender
from aragora.webhooks.hot_endpoint import HotEndpoint, Made, Warmth
from aragora.webhooks.sender import Sender


class WebhookEndpointActor(VirtualActor):
    """The actor; `key` is the id of the endpoint."""

    def __init__(self, key: str, settings: Settings) -> None:
        super().__init__(key, settings)
        collect_seldom()
        self._authority = DispatcherAuthority(Runtime(settings))
        self._sender: Sender | None = None
        self._database: Database | None = None
        self._hot: HotEndpoint | None = None
        self._changing_hands = asyncio.Lock()

    async def activate(self) -> None:
        """Returns once the process runs."""
        self._used()

    async def begin(self, epoch: int) -> None:
        """Take the endpoint by this epoch. Raises Unavailable; Fenced where there is a newer one."""
        self._used()
        async with self._changing_hands:
            if self._hot is not None:
                if self._hot.epoch == epoch:
                    return
                await self._let_go(0.0)
            hot = self._made(epoch)
            await hot.begin()
            self._hot = hot

    async def take(self, epoch: int, made: tuple[Made, ...]) -> None:
        """See `HotEndpoint.take`."""
        await self._by(epoch).take(made)

    async def work(self, epoch: int) -> None:
        """See `HotEndpoint.work`."""
        await self._by(epoch).work()

    async def changed(self, epoch: int) -> None:
        """See `HotEndpoint.changed`."""
        await self._by(epoch).changed()

    async def cancelled(self, epoch: int, delivery_id: str) -> None:
        """See `HotEndpoint.cancelled`."""
        self._by(epoch).cancelled(delivery_id)

    async def warmth(self, epoch: int) -> Warmth:
        """See `HotEndpoint.warmth`."""
        return self._by(epoch).warmth()

    async def in_flight(self) -> int:
        """How many requests are on their way. A question for the metrics page: it keeps no process awake."""
        return 0 if self._hot is None else self._hot.in_flight

    async def release(self, epoch: int, limit_s: float) -> int:
        """See `HotEndpoint.release`. The process stays for a while, in case that the endpoint grows hot again."""
        async with self._changing_hands:
            self._by(epoch)
            return await self._let_go(limit_s)

    async def drain(self, limit_s: float) -> int:
        """Let requests end for up to `limit_s` seconds; returns how many were cut off. The process ends soon."""
        async with self._changing_hands:
            cut = await self._let_go(limit_s)
        await self._close()
        return cut

    def _busy(self) -> bool:
        return self._hot is not None

    async def _close(self) -> None:
        async with self._changing_hands:
            await self._let_go(0.0)
        if self._sender is not None:
            await self._sender.aclose()
        await super()._close()

    def _by(self, epoch: int) -> HotEndpoint:
        self._used()
        if self._hot is None or self._hot.epoch != epoch:
            raise Fenced(f"this process does not have webhook {self._key} by epoch {epoch}")
        return self._hot

    async def _let_go(self, limit_s: float) -> int:
        hot, self._hot = self._hot, None
        return 0 if hot is None else await hot.release(limit_s)

    def _made(self, epoch: int) -> HotEndpoint:
        settings = self._settings
        self._database = self._database or self._open(Context.WEBHOOKS)
        self._sender = self._sender or open_sender(settings, guard_of(settings), self._clock)
        return HotEndpoint(
            self._key,
            epoch,
            self._database,
            service_of(settings),
            sender=self._sender,
            authority=self._authority,
            clock=self._clock,
            slots=settings.webhook_max_in_flight,
        )
