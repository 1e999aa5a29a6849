"""The dispatcher of webhooks as an actor: one process for the whole cluster, begun with the first event that an
endpoint wants. What it does is in `aragora.webhooks.dispatcher`.

It owns its deliveries by an epoch in the store: the newest process has the highest, and one that was cut off and comes
back stores nothing any more.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from actors.served_here import NotServed, refuse_unless_served_here
from actors.virtual import VirtualActor
from aragora.background import pauses, until_available
from aragora.config.settings import Settings
from aragora.debate.store.debates import DebateStore
from aragora.errors import Misconfigured, Unavailable
from aragora.resilience.backoff import Backoff
from aragora.secrets.encryption import service_of
from aragora.storage.contexts import Context
from aragora.storage.outbox import OutboxRow
from aragora.supervision import begin
from aragora.webhooks.dispatcher import Dispatcher
from aragora.webhooks.egress import guard_of, open_sender
from aragora.webhooks.model import Answer
from aragora.webhooks.replaying import Replaying
from aragora.webhooks.sender import Sender

READY_TIMEOUT_S: Final = 15.0
START_AGAIN: Final = pauses(Backoff(base_s=0.05, cap_s=5.0))

_START: Final = "start of the webhook dispatcher"

log = structlog.get_logger("aragora.webhooks")


class WebhookDispatcherActor(VirtualActor):
    """The actor; `key` is always `main`."""

    def __init__(self, key: str, settings: Settings) -> None:
        super().__init__(key, settings)
        self._dispatcher: Dispatcher | None = None
        self._replaying: Replaying | None = None
        self._sender: Sender | None = None
        self._starting = begin(self._start_at_last(), _START)

    async def ready(self) -> None:
        """Returns once it delivers. Raises Unavailable, Misconfigured."""
        await self._started()

    async def fan_out(self, rows: tuple[OutboxRow, ...]) -> None:
        """See `Dispatcher.fan_out`."""
        await (await self._started()).fan_out(rows)

    async def endpoint_changed(self, endpoint_id: str) -> None:
        """See `Dispatcher.endpoint_changed`."""
        await (await self._started()).endpoint_changed(endpoint_id)

    async def work(self, endpoint_id: str) -> None:
        """See `Dispatcher.work`."""
        await (await self._started()).work(endpoint_id)

    async def cancelled(self, endpoint_id: str, delivery_id: str) -> None:
        """See `Dispatcher.cancelled`."""
        (await self._started()).cancelled(endpoint_id, delivery_id)

    async def replays(self) -> None:
        """A replay was begun: work it off."""
        await self._started()
        if self._replaying is not None:
            self._replaying.look()

    async def test(self, endpoint_id: str, event_type: str) -> Answer:
        """See `Dispatcher.test`."""
        return await (await self._started()).test(endpoint_id, event_type)

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
        if self._starting.done() and self._starting.exception() is not None:  # an operator may have mended it meanwhile
            self._starting = begin(self._start_at_last(), _START)
        try:
            return await asyncio.wait_for(asyncio.shield(self._starting), READY_TIMEOUT_S)
        except TimeoutError:
            raise Unavailable("the webhook dispatcher does not reach its store: try again", retry_after_s=2.0) from None

    async def _start_at_last(self) -> Dispatcher:
        """Raises Misconfigured, NotServed: who asks shall hear it, and begins the next try."""
        return await until_available(
            self._start,
            START_AGAIN,
            what="webhook dispatcher not started",
            log=log,
            retried=Exception,
            never=(Misconfigured, NotServed),
        )

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
        )
        await dispatcher.begin()
        self._dispatcher = dispatcher
        self._replaying = dispatcher.replaying(journals)
        self._replaying.start()
        return dispatcher
