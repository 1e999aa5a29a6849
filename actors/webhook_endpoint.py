"""A webhook endpoint that is sent much, as an actor with a process of its own. What it does is in
`aragora.webhooks.hot_endpoint`, and whether it has the endpoint in `aragora.webhooks.endpoint_process`; who gives it
the endpoint, and takes it back, is the dispatcher.
"""

from __future__ import annotations

from actors.gateways.webhook_endpoints import DispatcherAuthority
from actors.runtime import Runtime
from actors.virtual import VirtualActor, collect_seldom
from aragora.config.settings import Settings
from aragora.secrets.encryption import service_of
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.webhooks.egress import guard_of, open_sender
from aragora.webhooks.endpoint_process import EndpointProcess
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
        self._endpoint = EndpointProcess(key, self._made)

    async def activate(self) -> None:
        """Returns once the process runs."""
        self._used()

    async def begin(self, epoch: int) -> None:
        """See `EndpointProcess.begin`."""
        self._used()
        await self._endpoint.begin(epoch)

    async def take(self, epoch: int, made: tuple[Made, ...]) -> None:
        """See `HotEndpoint.take`."""
        await (await self._by(epoch)).take(made)

    async def work(self, epoch: int) -> None:
        """See `HotEndpoint.work`."""
        await (await self._by(epoch)).work()

    async def changed(self, epoch: int) -> None:
        """See `HotEndpoint.changed`."""
        await (await self._by(epoch)).changed()

    async def cancelled(self, epoch: int, delivery_id: str) -> None:
        """See `HotEndpoint.cancelled`."""
        (await self._by(epoch)).cancelled(delivery_id)

    async def warmth(self, epoch: int) -> Warmth:
        """See `HotEndpoint.warmth`."""
        return (await self._by(epoch)).warmth()

    async def in_flight(self) -> int:
        """How many requests are on their way. A question for the metrics page: it keeps no process awake."""
        return self._endpoint.in_flight

    async def release(self, epoch: int, limit_s: float) -> int:
        """See `HotEndpoint.release`. The process stays for a while, in case that the endpoint grows hot again."""
        self._used()
        return await self._endpoint.release(epoch, limit_s)

    async def drain(self, limit_s: float) -> int:
        """Let requests end for up to `limit_s` seconds; returns how many were cut off. The process ends soon."""
        cut = await self._endpoint.let_go(limit_s)
        await self._close()
        return cut

    def _busy(self) -> bool:
        return self._endpoint.busy

    async def _close(self) -> None:
        await self._endpoint.let_go(0.0)
        if self._sender is not None:
            await self._sender.aclose()
        await super()._close()

    async def _by(self, epoch: int) -> HotEndpoint:
        self._used()
        return await self._endpoint.by(epoch)

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
