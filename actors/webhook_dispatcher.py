"""The dispatcher of webhooks as an actor: one process for the whole cluster, begun with the first event that an
endpoint wants. What it does is in `aragora.webhooks.dispatcher`.

It owns its deliveries by an epoch in the store: the newest process has the highest, and one that was cut off and comes
back stores nothing any more.
"""

from __future__ import annotations

import os
from typing import Final

import structlog

from actors.gateways.webhook_endpoints import EndpointActors
from actors.runtime import Runtime
from actors.served_here import refuse_unless_served_here
from actors.starting import Starting
from actors.virtual import VirtualActor, collect_seldom
from aragora.background import pauses
from aragora.config.settings import Settings
from aragora.debate.store.debates import DebateStore
from aragora.resilience.backoff import Backoff
from aragora.secrets.encryption import service_of
from aragora.storage.contexts import Context
from aragora.storage.outbox import OutboxRow
from aragora.webhooks.dispatcher import Dispatcher
from aragora.webhooks.egress import guard_of, open_sender
from aragora.webhooks.machine import Notice, Settled
from aragora.webhooks.model import Answer
from aragora.webhooks.replaying import Replaying
from aragora.webhooks.sender import Sender

READY_TIMEOUT_S: Final = 15.0
START_AGAIN: Final = pauses(Backoff(base_s=0.05, cap_s=5.0))

log = structlog.get_logger("aragora.webhooks")


class WebhookDispatcherActor(VirtualActor):
    """The actor; `key` is always `main`."""

    def __init__(self, key: str, settings: Settings) -> None:
        super().__init__(key, settings)
        collect_seldom()
        self._dispatcher: Dispatcher | None = None
        self._replaying: Replaying | None = None
        self._sender: Sender | None = None
        self._starting = Starting(
            self._start,
            what="webhook dispatcher",
            pause_s=START_AGAIN,
            limit_s=READY_TIMEOUT_S,
            told="the webhook dispatcher does not reach its store",
            log=log,
        )

    async def ready(self) -> None:
        """Returns once it delivers. Raises Unavailable, Misconfigured."""
        await self._started()

    async def fan_out(self, rows: tuple[OutboxRow, ...]) -> None:
        """See `Dispatcher.fan_out`."""
        await (await self._started()).fan_out(rows)

    async def fan_out_workflows(self, rows: tuple[OutboxRow, ...]) -> None:
        """See `Dispatcher.fan_out_workflows`."""
        await (await self._started()).fan_out_workflows(rows)

    async def endpoint_changed(self, endpoint_id: str) -> None:
        """See `Dispatcher.endpoint_changed`."""
        await (await self._started()).endpoint_changed(endpoint_id)

    async def work(self, endpoint_id: str) -> None:
        """See `Dispatcher.work`."""
        await (await self._started()).work(endpoint_id)

    async def cancelled(self, endpoint_id: str, delivery_id: str) -> None:
        """See `Dispatcher.cancelled`."""
        await (await self._started()).cancelled(endpoint_id, delivery_id)

    async def replays(self) -> None:
        """A replay was begun: work it off."""
        await self._started()
        if self._replaying is not None:
            self._replaying.look()

    async def test(self, endpoint_id: str, event_type: str) -> Answer:
        """See `Dispatcher.test`."""
        return await (await self._started()).test(endpoint_id, event_type)

    async def disable(self, org_id: str, endpoint_id: str, reason: str) -> None:
        """See `Authority.disable`: the process of an endpoint asks."""
        await (await self._started()).disable(org_id, endpoint_id, reason)

    async def tell(self, notice: Notice, settled: Settled) -> None:
        """See `Authority.tell`."""
        await (await self._started()).tell(notice, settled)

    async def park(self, endpoint_id: str) -> None:
        """See `Authority.park`."""
        await (await self._started()).park(endpoint_id)

    async def verify(self, endpoint_id: str, challenge: str, version: int) -> Answer:
        """See `Dispatcher.verify`."""
        return await (await self._started()).verify(endpoint_id, challenge, version)

    async def in_flight(self) -> int:
        """How many requests are on their way. A question for the metrics page: it keeps no process awake."""
        return 0 if self._dispatcher is None else self._dispatcher.in_flight

    async def drain(self, limit_s: float) -> int:
        """Take up nothing more and let requests end for up to `limit_s` seconds; returns how many were cut off."""
        await self._end_replaying()
        cut = 0 if self._dispatcher is None else await self._dispatcher.drain(limit_s)
        await self._close()
        return cut

    def _busy(self) -> bool:
        replays = self._replaying is not None and self._replaying.busy
        return self._dispatcher is None or self._dispatcher.busy or replays

    async def _close(self) -> None:
        self._starting.cancel()
        await self._end_replaying()
        if self._dispatcher is not None:
            await self._dispatcher.drain(0.0)
        if self._sender is not None:
            await self._sender.aclose()
        await super()._close()

    async def _end_replaying(self) -> None:
        if self._replaying is not None:
            await self._replaying.aclose()

    async def _started(self) -> Dispatcher:
        self._used()
        return await self._starting.done()

    async def _start(self) -> Dispatcher:
        settings, clock = self._settings, self._clock
        debates = self._open(Context.DEBATES)
        await refuse_unless_served_here(debates)
        sender = self._sender or open_sender(settings, guard_of(settings), clock)
        self._sender = sender
        journals = DebateStore(debates)
        dispatcher = Dispatcher(
            self._open(Context.WEBHOOKS),
            journals,
            service_of(settings),
            sender,
            clock=clock,
            slots=settings.webhook_max_in_flight,
            max_payload_bytes=settings.webhook_max_payload_bytes,
            processes=EndpointActors(Runtime(settings)),
            hot_endpoints=_hot_endpoints(settings),
        )
        await dispatcher.begin()
        self._dispatcher = dispatcher
        self._replaying = dispatcher.replaying(journals)
        self._replaying.start()
        return dispatcher


def _hot_endpoints(settings: Settings) -> int:
    """How many endpoints may have a process. Two cores are left to the dispatcher and to the rest of the server: with
    none to spare, a process of its own makes an endpoint no faster (docs/performance.md)."""
    if settings.webhook_hot_endpoints is not None:
        return settings.webhook_hot_endpoints
    return max(1, (os.cpu_count() or 1) - 2)
