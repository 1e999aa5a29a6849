"""Delivers what is due: takes tickets from the queues, sends, stores what came of it. The same for every owner.

An attempt counts once it is stored. Until then its delivery stays out of the queues, and its slot taken: a store that
is away stops the sending, and costs at most the requests that were on their way. Where another owner has taken over
(Fenced), everything stops.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from typing import Final, Protocol

import structlog

from aragora.background import pauses, until_available
from aragora.clock import Clock
from aragora.encoding import decode
from aragora.errors import Fenced, NotFound, Unavailable
from aragora.observability.line_budget import LineBudget
from aragora.resilience.backoff import Backoff
from aragora.resilience.cache import Cache
from aragora.secrets.encryption import DecryptionFailed
from aragora.storage.collection import Unreadable
from aragora.supervision import begin
from aragora.webhooks import counting
from aragora.webhooks.destinations import Destination, Destinations, request_to
from aragora.webhooks.endpoint import ClientCertificate, PayloadKind
from aragora.webhooks.envelope import event_body
from aragora.webhooks.kept import must_keep, row_of
from aragora.webhooks.machine import Moment, Settled, cancelled, expired
from aragora.webhooks.model import Answer, Delivery, EventRecord, Request, TargetStatus
from aragora.webhooks.queues import Queues, Ticket
from aragora.webhooks.store.units import Attempted, Effect, Moved, Tenure, Told
from aragora.webhooks.trouble_log import TroubleLog

BODIES_KEPT: Final = 500  # events: the next delivery of one is often of the same event
BODIES_KEPT_S: Final = 60.0
STORE_AWAY: Final = Backoff(base_s=0.2, cap_s=5.0)
NOT_READ_S: Final = 5.0  # until a delivery is tried again whose event or destination could not be read
UNREADABLE_S: Final = 60.0
DELETED: Final = "its endpoint was deleted"
NO_EVENT: Final = "its event is not kept any more"

log = structlog.get_logger("aragora.webhooks")


class Sending(Protocol):
    """Sends one request (`aragora.webhooks.sender.Sender`)."""

    async def send(self, request: Request, certificate: ClientCertificate | None = None) -> Answer: ...


class Recording(Protocol):
    """Stores what became of deliveries (`aragora.webhooks.store.writer.DeliveryWriter`)."""

    async def attempted(self, unit: Attempted) -> Told: ...

    async def moved(self, unit: Moved) -> Told: ...


class Events(Protocol):
    """Reads events (`aragora.webhooks.store.deliveries.DeliveryStore`)."""

    async def events(self, event_ids: Collection[str]) -> dict[str, EventRecord]: ...


class Following(Protocol):
    """Who hears of what was stored, and of the end."""

    def settled(self, settled: Settled) -> None:
        """An attempt, and what follows from it, is stored."""
        ...

    def moved(self, delivery: Delivery) -> None:
        """A delivery is elsewhere without an attempt, and that is stored."""
        ...

    def held(self, target_id: str) -> None:
        """Nothing is sent to this target until it is enabled again; its deliveries wait in the store."""
        ...

    def fenced(self) -> None:
        """Another owner has taken over: nothing more is sent or stored here."""
        ...


class Deliverer:
    """The work of one owner over its `queues`. `tenure` says by what claim the owner writes; `hungry` is called where
    lanes have room for more of what the store holds."""

    def __init__(
        self,
        queues: Queues,
        *,
        destinations: Destinations,
        events: Events,
        sender: Sending,
        writer: Recording,
        follower: Following,
        clock: Clock,
        tenure: Tenure | None,
        hungry: Callable[[], None],
        draw: Callable[[], float] = random.random,
        troubles: TroubleLog | None = None,
    ) -> None:
        self._queues = queues
        self._destinations = destinations
        self._events = events
        self._sender = sender
        self._writer = writer
        self._follower = follower
        self._clock = clock
        self._tenure = tenure
        self._hungry = hungry
        self._draw = draw
        self._troubles = troubles or TroubleLog(clock)
        self._not_stored = LineBudget.seldom()
        self._bodies: Cache[str, EventRecord] = Cache(BODIES_KEPT, BODIES_KEPT_S)
        self._again = asyncio.Event()
        self._stopped = False
        self._ended = False
        self._pumping: asyncio.Task[None] | None = None
        self._running: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Deliver in the background until `drain`."""
        self._pumping = begin(self._pump(), "webhook deliveries")

    def wake(self) -> None:
        """Look at the queues again: something was pushed or changed."""
        self._again.set()

    def remember(self, event: EventRecord) -> None:
        """Keep an event that is about to be delivered, so that it need not be read."""
        self._bodies.filling(event.event_id)(event, self._clock.monotonic())

    async def drain(self, limit_s: float) -> int:
        """Take up nothing more, let what is on its way end for up to `limit_s` seconds, then cut it off; returns how
        many were cut off. They are sent again by whoever comes next."""
        self._stopped = True
        self.wake()
        if self._running:
            await asyncio.wait(self._running, timeout=limit_s)
        left = set(self._running)
        self._ended = True
        for task in (*left, *(() if self._pumping is None else (self._pumping,))):
            task.cancel()
        waiting = [*left, *(() if self._pumping is None else (self._pumping,))]
        if waiting:
            await asyncio.wait(waiting)
        return len(left)

    async def _pump(self) -> None:
        while not self._stopped:
            self._again.clear()
            now = self._clock.monotonic()
            found = self._queues.take(now)
            while isinstance(found, Ticket):
                task = begin(self._deliver(found), "webhook delivery")
                self._running.add(task)
                task.add_done_callback(self._running.discard)
                found = self._queues.take(now)
            if self._queues.any_hungry:
                self._hungry()
            try:
                async with asyncio.timeout(None if found is None else max(0.0, found - now)):
                    await self._again.wait()
            except TimeoutError:
                continue

    async def _deliver(self, ticket: Ticket) -> None:
        """One ticket, from the queue to the store."""
        try:
            answered = await self._attempt(ticket)
        except Fenced:
            self._fence()
        except Unavailable as away:  # what is to be sent could not be read
            self._give_back(ticket, max(away.retry_after_s or 0.0, NOT_READ_S))
        except (DecryptionFailed, Unreadable) as unreadable:
            self._troubles.unreadable(ticket.delivery, unreadable.message)
            self._give_back(ticket, UNREADABLE_S)
        except Exception:
            self._give_back(ticket, UNREADABLE_S)
            raise
        else:
            if answered is not None:
                await self._settle(ticket, *answered)

    async def _attempt(self, ticket: Ticket) -> tuple[Destination, EventRecord, Answer] | None:
        """Send; the answer, or None where nothing was to be sent. Raises Fenced, Unavailable, DecryptionFailed."""
        delivery = ticket.delivery
        try:
            destination = await self._destinations.of(delivery)
        except NotFound:
            await self._move(ticket, cancelled(delivery, DELETED, self._clock.now()))
            return None
        if destination.status is not TargetStatus.ENABLED:
            self._give_back(ticket, 0.0)
            self._hold(delivery.target_id)
            return None
        if (dead := expired(delivery, destination.rules, self._clock.now())) is not None:
            await self._move(ticket, dead)
            return None
        event = await self._event(delivery.event_id)
        if event is None:
            await self._move(ticket, cancelled(delivery, NO_EVENT, self._clock.now()))
            return None
        self._troubles.readable(delivery)
        answer = await self._sender.send(self._request(ticket, destination, event), destination.certificate)
        return destination, event, answer

    async def _settle(self, ticket: Ticket, destination: Destination, event: EventRecord, answer: Answer) -> None:
        """Store what became of a request, however long that takes; then its delivery may be tried again."""
        target_id = ticket.delivery.target_id
        before = self._queues.target(target_id) if target_id in self._queues else None
        at = Moment(self._clock.monotonic(), self._clock.now(), self._draw())
        settled = self._queues.settle(ticket, answer, at, two_secrets=len(destination.secrets) > 1)
        self.wake()  # the target may have leave for another
        kept = None
        if before is not None and must_keep(before, settled.target):
            kept = row_of(settled.target, target_id, at.now, at.wall)
        after = settled.delivery
        refused_at = ticket.refused_at - at.now + at.wall
        lag_s = counting.lag_s(ticket.delivery, event.created_at, settled.attempt.started_at, refused_at)
        counters = counting.of_attempt(after, settled.attempt, lag_s)
        unit = Attempted(after, settled.attempt, counters, tenure=self._tenure, target=kept)
        try:
            told = await self._until_stored(lambda: self._writer.attempted(unit), after)
        except Fenced:
            self._fence()
            return
        except BaseException:  # it is in the store as it was before: whoever comes next sends it again
            self._queues.ended(after)
            raise
        if told.effect is not Effect.STALE and after.status.waits:
            self._queues.back(settled, after.due_at - at.wall, at.now)
        else:
            self._queues.ended(after)
        self.wake()
        if told.effect is not Effect.STALE:
            self._troubles.attempted(settled, destination.url)
            self._follower.settled(settled)
            if settled.disable is not None:
                self._hold(target_id)

    def _request(self, ticket: Ticket, destination: Destination, event: EventRecord) -> Request:
        delivery = ticket.delivery
        if ticket.leave.old_secret_first:
            secrets = destination.secrets
            destination = replace(destination, secrets=(*secrets[1:2], *secrets[:1], *secrets[2:]))
        text = (
            event.body if destination.payload is PayloadKind.FULL else event_body(decode(event.body), PayloadKind.THIN)
        )
        return request_to(
            destination,
            text,
            message_id=delivery.delivery_id if delivery.direct is not None else delivery.event_id,
            delivery_id=delivery.delivery_id,
            event_type=delivery.event_type,
            attempt=delivery.attempts + 1,
            timestamp=int(self._clock.now()),
            timeout_s=destination.rules.timeout_s,
        )

    async def _event(self, event_id: str) -> EventRecord | None:
        """Raises Unavailable."""
        event = self._bodies.get(event_id, self._clock.monotonic())
        if event is None:
            fill = self._bodies.filling(event_id)
            event = (await self._events.events((event_id,))).get(event_id)
            if event is not None:
                fill(event, self._clock.monotonic())
        return event

    async def _move(self, ticket: Ticket, after: Delivery) -> None:
        """Store the end of a delivery for which no request is made. Raises Fenced."""
        unit = Moved(after, counting.of_end(after), tenure=self._tenure)
        told = await self._until_stored(lambda: self._writer.moved(unit), after)
        self._give_back(ticket, 0.0)
        self._queues.cancel(after.target_id, (after.delivery_id,))
        if told.effect is not Effect.STALE:
            self._follower.moved(after)

    async def _until_stored(self, write: Callable[[], Awaitable[Told]], after: Delivery) -> Told:
        return await until_available(
            write,
            pauses(STORE_AWAY, self._draw),
            what="a webhook's outcome is not stored yet",
            log=log,
            lines=self._not_stored,  # it befalls all that is on its way
            given_up=lambda: self._ended,
            delivery_id=after.delivery_id,
            webhook_id=after.webhook_id,
            org_id=after.org_id,
        )

    def _give_back(self, ticket: Ticket, wait_s: float) -> None:
        self._queues.give_back(ticket, wait_s, self._clock.monotonic())
        self.wake()

    def _hold(self, target_id: str) -> None:
        if target_id in self._queues:
            self._queues.close(target_id)
            self._follower.held(target_id)

    def _fence(self) -> None:
        if not self._stopped:
            self._stopped = self._ended = True
            log.warning("webhooks are delivered by another owner now")
            self._follower.fenced()
