"""The owner that a server has: it makes deliveries of what happened in debates and workflows, sends them, follows what
people change of endpoints, and tells their owners how they fare.

One dispatcher runs at a time. Each start takes the next epoch of its key, so one that was cut off and comes back stores
nothing any more. What waits in the store is looked for when it starts and every `SWEEP_S` seconds: whatever message was
lost, nothing waits for longer than that.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from aragora.background import Every
from aragora.clock import Clock
from aragora.errors import NotFound
from aragora.ids import new_id
from aragora.observability.registry import REGISTRY
from aragora.secrets.encryption import EncryptionService
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRow
from aragora.webhooks import counting
from aragora.webhooks.challenging import Challenging
from aragora.webhooks.deliverer import DELETED, Sending
from aragora.webhooks.destinations import request_to
from aragora.webhooks.direct import DirectDestinations
from aragora.webhooks.endpoint import PayloadKind
from aragora.webhooks.envelope import event_body, operational_event, webhook_event
from aragora.webhooks.events import event_type
from aragora.webhooks.fanout import PARKED_AT, Debates, FanOut
from aragora.webhooks.following import Consequences
from aragora.webhooks.happenings import Happened, Happenings
from aragora.webhooks.hot_endpoints import HotEndpoints
from aragora.webhooks.hot_line import EndpointProcesses
from aragora.webhooks.machine import Notice, Settled
from aragora.webhooks.model import Answer, Delivery, EventRecord, TargetStatus
from aragora.webhooks.notices import NoticeBook, told_of
from aragora.webhooks.owner import Owner
from aragora.webhooks.registered import RegisteredDestinations
from aragora.webhooks.replaying import Replaying
from aragora.webhooks.selecting import History, Selecting
from aragora.webhooks.store.endpoints import EndpointStore
from aragora.webhooks.store.replayable import Replayable
from aragora.webhooks.store.replays import ReplayStore
from aragora.webhooks.store.units import CancelWaiting, Reschedule, Tenure
from aragora.webhooks.trouble_log import host_of

KEY: Final = "dispatcher"
SWEEP_S: Final = 15.0
AHEAD_S: Final = 30.0
"""A sweep takes up what is due within this time."""
TEST_TIMEOUT_S: Final = 15.0

log = structlog.get_logger("aragora.webhooks")


class Dispatcher:
    """Belongs to one event loop. `begin` comes first."""

    def __init__(
        self,
        database: Database,
        debates: Debates,
        crypto: EncryptionService,
        sender: Sending,
        *,
        clock: Clock,
        slots: int,
        max_payload_bytes: int,
        processes: EndpointProcesses | None = None,
        hot_endpoints: int = 0,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """
        Args:
            slots: requests that may be on their way from this process at once.
            processes: where endpoints that are sent much may have a process of their own, at most `hot_endpoints` of
                them; without it there are none.
        """
        self._database = database
        self._clock = clock
        self._debates = debates
        self._sender = sender
        self._max_payload_bytes = max_payload_bytes
        self._endpoints = EndpointStore(database, clock, crypto)
        self._challenging = Challenging(self._endpoints, sender, clock)
        self._destinations = RegisteredDestinations(self._endpoints, DirectDestinations(crypto), clock)
        self._following = Consequences(self, self._destinations, self._attempted)
        self._owner = Owner(
            database,
            destinations=self._destinations,
            sender=sender,
            follower=self._following,
            clock=clock,
            slots=slots,
            elsewhere=self._is_hot,
            draw=draw,
        )
        self._hot = HotEndpoints(self._owner, processes, clock=clock, most=hot_endpoints)
        self._book = NoticeBook()
        self._fan_out: FanOut | None = None
        self._tenure: Tenure | None = None
        self._looked_ahead = False
        self._step = asyncio.Lock()  # a statement that is cut off leaves its connection to the garbage collector
        self._sweeping = Every("sweep of webhooks", SWEEP_S, self.sweep)

    async def begin(self) -> None:
        """Take over from whoever was the dispatcher before, and deliver. Raises Unavailable."""
        epoch = await self._owner.owners.advance(KEY, new_id(KEY))
        self._tenure = Tenure(KEY, epoch)
        self._fan_out = FanOut(
            self._debates,
            self._endpoints,
            self._owner.writer,
            self._made,
            tenure=self._tenure,
            max_bytes=self._max_payload_bytes,
            clock=self._clock,
            reading=self._owner.queues.reading,
        )
        await self._hot.begin(self._tenure)
        self._owner.begin(self._tenure, None)
        self._sweeping.start()
        log.info("webhooks are delivered", epoch=epoch)

    def replaying(self, history: History) -> Replaying:
        """The part that works replays off, under this dispatcher's claim; it is not started. `begin` comes first."""
        assert self._fan_out is not None, "begin comes first"
        assert self._tenure is not None, "begin comes first"
        replayable = Replayable(self._database)
        return Replaying(
            ReplayStore(self._database),
            replayable,
            Selecting(replayable, history, Happenings(self._debates, self._clock)),
            self._endpoints,
            fan_out=self._fan_out,
            writer=self._owner.writer,
            took=self.work,
            changed=self.endpoint_changed,
            tenure=self._tenure,
            max_bytes=self._max_payload_bytes,
            clock=self._clock,
        )

    @property
    def busy(self) -> bool:
        """Whether something waits here or is on its way."""
        return len(self._owner.queues) > 0 or len(self._hot) > 0

    @property
    def in_flight(self) -> int:
        """How many requests are on their way."""
        return self._owner.queues.in_flight

    async def drain(self, limit_s: float) -> int:
        """Take up nothing more, let requests end within `limit_s` seconds; returns how many were cut off. They are sent
        again by the next dispatcher."""
        async with self._step:
            await self._sweeping.aclose()
        return sum(await asyncio.gather(self._hot.drain(limit_s), self._owner.aclose(limit_s)))

    async def fan_out(self, rows: Sequence[OutboxRow]) -> None:
        """Make the deliveries of events that the outbox tells of; returns when they are stored. Raises Unavailable,
        Fenced."""
        assert self._fan_out is not None, "begin comes first"
        await self._fan_out.of_debates(rows)

    async def fan_out_workflows(self, rows: Sequence[OutboxRow]) -> None:
        """The same for the rows of executions of workflows."""
        assert self._fan_out is not None, "begin comes first"
        await self._fan_out.of_workflows(rows)

    async def endpoint_changed(self, endpoint_id: str) -> None:
        """Go by what an endpoint is now. Raises Unavailable, Fenced."""
        self._destinations.changed(endpoint_id)
        if self._fan_out is not None:
            self._fan_out.endpoints_changed()
        queues = self._owner.queues
        if endpoint_id in self._hot:  # first of all: what is parked or cancelled is not sent
            await self._hot.changed(endpoint_id)
        try:
            destination = await self._destinations.of_endpoint(endpoint_id)
        except NotFound:
            if endpoint_id in queues:
                queues.close(endpoint_id)
            unit = CancelWaiting(
                endpoint_id, self._clock.now(), DELETED, counters=counting.ONE_CANCELLED, tenure=self._tenure
            )
            while await self._owner.writer.cancel_waiting(unit):
                continue
            return
        if destination.status is not TargetStatus.ENABLED:
            if endpoint_id in queues:
                queues.close(endpoint_id)
            await self._due_at(endpoint_id, PARKED_AT)
            return
        await self._owner.change(endpoint_id, destination.rules)
        await self._due_at(endpoint_id, None)
        await self.work(endpoint_id)

    async def work(self, endpoint_id: str) -> None:
        """Take up what waits for an endpoint. Raises Unavailable."""
        if endpoint_id in self._hot:
            self._hot.work(endpoint_id)
        else:
            await self._owner.take_up_target(endpoint_id)

    async def cancelled(self, endpoint_id: str, delivery_id: str) -> None:
        """Send nothing more of a delivery that was cancelled in the store."""
        if endpoint_id in self._hot:
            await self._hot.cancelled(endpoint_id, delivery_id)
        else:
            self._owner.queues.cancel(endpoint_id, (delivery_id,))

    async def test(self, endpoint_id: str, name: str) -> Answer:
        """Send the example of a type to an endpoint, once, whatever its state. Raises NotFound, InvalidInput,
        Unavailable."""
        destination = await self._destinations.of_endpoint(endpoint_id)
        envelope = webhook_event(name, event_type(name).example, self._clock.now())
        delivery_id = new_id("dlv_test")
        request = request_to(
            destination,
            event_body(envelope, destination.payload, self._max_payload_bytes),
            message_id=delivery_id,
            delivery_id=delivery_id,
            event_type=name,
            attempt=1,
            timestamp=int(self._clock.now()),
            timeout_s=min(destination.rules.timeout_s, TEST_TIMEOUT_S),
        )
        answer = await self._sender.send(request, destination.certificate)
        if answer.refused_for is not None:  # no attempt is stored that would count it
            REGISTRY.inc(counting.BLOCKED, reason=answer.refused_for.value)
            host, why = host_of(destination.url), answer.refused_for.value
            log.warning("webhook blocked", delivery_id=delivery_id, webhook_id=endpoint_id, host=host, why=why)
        return answer

    async def verify(self, endpoint_id: str, challenge: str, version: int) -> Answer:
        """See `Challenging.ask`."""
        return await self._challenging.ask(endpoint_id, challenge, version)

    async def sweep(self) -> None:
        """Take up what is due and not held yet, what owners without a server left behind, and what found no room
        before. Raises Unavailable."""
        if self._following.are_fenced:
            return
        async with self._step:
            await self._owner.adopt()
            await self._owner.refill()
            await self._owner.take_up_due(await self._until())
            self._looked_ahead = True
        for target_id in [*self._owner.queues.idle()]:  # what is kept of it is in the store
            self._owner.queues.close(target_id)

    async def _until(self) -> float:
        """Up to which due time this sweep looks. Where the clock was set back before this start, due times say nothing
        of what waits: the first sweep takes up all of it, and each delivery waits for its schedule at most. Raises
        Unavailable."""
        now = self._clock.now()
        if not self._looked_ahead:
            newest = await self._owner.store.newest_event_at()
            if newest is not None and newest > now + AHEAD_S:
                log.warning("the clock is behind the last event of webhooks", behind_s=round(newest - now, 3))
                return PARKED_AT - 1.0
        return now + AHEAD_S

    # What follows from attempts, here and in the processes of endpoints (`aragora.webhooks.following.Authority`)

    async def disable(self, org_id: str, endpoint_id: str, reason: str) -> None:
        await self._endpoints.set_status(org_id, endpoint_id, TargetStatus.DISABLED, reason)
        self._destinations.changed(endpoint_id)
        if self._fan_out is not None:
            self._fan_out.endpoints_changed()
        log.warning("a webhook was disabled", webhook_id=endpoint_id, org_id=org_id, reason=reason)

    async def tell(self, notice: Notice, settled: Settled) -> None:
        assert self._fan_out is not None, "begin comes first"
        endpoint_id, org_id = settled.delivery.target_id, settled.delivery.org_id
        since = self._book.due(endpoint_id, notice, self._clock.monotonic(), self._clock.now())
        if since is None:
            return
        envelope = operational_event(told_of(notice, settled, since), self._clock.now())
        body = event_body(envelope, PayloadKind.FULL, self._max_payload_bytes)
        record = EventRecord(new_id("evt"), org_id, envelope["type"], body, self._clock.now())
        await self._fan_out.of(Happened(record, envelope["data"]))

    async def park(self, endpoint_id: str) -> None:
        await self._due_at(endpoint_id, PARKED_AT)

    def _is_hot(self, target_id: str) -> bool:
        return target_id in self._hot

    def _attempted(self, delivery: Delivery) -> None:
        self._hot.note(delivery.target_id)

    async def _made(self, event: EventRecord, deliveries: Sequence[Delivery]) -> None:
        """What is new is taken up at once, what is parked is not. Raises Unavailable."""
        due = [one for one in deliveries if one.due_at < PARKED_AT]
        await self._owner.take_up(self._hot.take(event, due), event)

    async def _due_at(self, target_id: str, at: float | None) -> None:
        """Park what waits for a target, or bring back what is parked. Raises Unavailable, Fenced."""
        unit = Reschedule(target_id, PARKED_AT, 0.0, PARKED_AT, tenure=self._tenure)
        if at is None:
            unit = Reschedule(target_id, self._clock.now(), PARKED_AT, 2 * PARKED_AT, tenure=self._tenure)
        while await self._owner.writer.reschedule(unit):
            continue
