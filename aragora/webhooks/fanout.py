"""From an event to its deliveries: one for each endpoint of its organisation that wants it, in pages.

Ids follow from the event and the endpoint, and the store takes each once. So an event may come again, after a crash or
from a backup, and nobody gets it under a new id. Deliveries are made in the order of their events: their times of
making never fall, which is the order that endpoints with `fifo` get.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import replace
from typing import Final, Protocol

import structlog

from aragora import encoding
from aragora.clock import Clock
from aragora.errors import InvalidInput, NotFound
from aragora.observability.samples import CounterDelta
from aragora.resilience.cache import Cache
from aragora.storage.outbox import OutboxRow
from aragora.webhooks.happenings import DebateRecords, Happened, Happenings, of_workflow
from aragora.webhooks.ids import delivery_id
from aragora.webhooks.matching import wants
from aragora.webhooks.model import Delivery, DeliveryStatus, EventRecord, TargetStatus
from aragora.webhooks.store.endpoints import Route
from aragora.webhooks.store.units import Enqueue, Tenure

PAGE: Final = 1_000
READ_AHEAD: Final = 20
ORGS_KEPT: Final = 1_000
ROUTES_KEPT_S: Final = 5.0
"""Whoever changes an endpoint says so; this is for a message that was lost."""
STEP_S: Final = 1e-6
"""Between the times of two deliveries: seconds since the epoch hold a quarter of it."""
PARKED_AT: Final = 1e11
"""The due time of what waits for a paused endpoint: no search for what is due comes upon it."""

log = structlog.get_logger("aragora.webhooks")


class Debates(DebateRecords, Protocol):
    """Reads debates and their journals (`aragora.debate.store.debates.DebateStore`)."""

    async def events(self, debate_id: str, after: int = 0, limit: int = 500) -> list[str]: ...


class Routes(Protocol):
    """Reads which endpoints there are (`aragora.webhooks.store.endpoints.EndpointStore`)."""

    async def routes(self, org_id: str, after: str, limit: int) -> list[Route]: ...


class Enqueuing(Protocol):
    """Stores deliveries (`aragora.webhooks.store.writer.DeliveryWriter`)."""

    async def enqueue(self, unit: Enqueue) -> frozenset[str]: ...


class FanOut:
    """Makes deliveries under the claim `tenure`. `made` hears of those that are new and stored, in
    their order; `reading` surrounds each making, from before it is stored (`aragora.webhooks.queues.Queues.reading`).
    """

    def __init__(
        self,
        debates: Debates,
        endpoints: Routes,
        writer: Enqueuing,
        made: Callable[[EventRecord, Sequence[Delivery]], Awaitable[None]],
        *,
        tenure: Tenure | None,
        max_bytes: int,
        clock: Clock,
        reading: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._debates = debates
        self._reading = reading
        self._happenings = Happenings(debates, clock)
        self._endpoints = endpoints
        self._writer = writer
        self._made = made
        self._tenure = tenure
        self._max_bytes = max_bytes
        self._clock = clock
        self._routes: Cache[str, Sequence[Route]] = Cache(ORGS_KEPT, ROUTES_KEPT_S)
        self._last = 0.0
        self._turn = asyncio.Lock()  # else an event that was made first could be stored and told of after another

    async def of_debates(self, rows: Sequence[OutboxRow]) -> None:
        """Make the deliveries of events that the outbox tells of; returns when they are stored. An event that cannot be
        read is passed over, and the log names it. Raises Unavailable, Fenced."""
        async with self._in_turn():
            await self._make(await self._events_of(rows))

    async def of_workflows(self, rows: Sequence[OutboxRow]) -> None:
        """The same for events of workflows, which their rows hold whole."""
        async with self._in_turn():
            await self._make(self._events_in(rows))

    async def of(self, event: Happened) -> None:
        """Make the deliveries of one event. Raises Unavailable, Fenced."""
        async with self._in_turn():
            await self._in_pages(event)

    async def _make(self, events: Sequence[Happened]) -> None:
        together: list[Enqueue] = []
        for event in events:
            routes = await self._routes_of(event.record.org_id)
            if routes is None:  # too many for one transaction
                await self._store(together)
                together = []
                await self._in_pages(event)
            elif deliveries := self._wanted(routes, event):
                together.append(Enqueue(event.record, deliveries, self._tenure))
        await self._store(together)

    async def _in_pages(self, event: Happened) -> None:
        after = ""
        while True:
            routes = await self._endpoints.routes(event.record.org_id, after, PAGE)
            if deliveries := self._wanted(routes, event):
                await self._store([Enqueue(event.record, deliveries, self._tenure)])
            if len(routes) < PAGE:
                return
            after = routes[-1].endpoint_id

    async def to(self, route: Route, events: Sequence[Happened], counters: tuple[CounterDelta, ...] = ()) -> None:
        """Make the deliveries of these events to one endpoint, whoever else wants them; each that is new adds
        `counters`. Raises Unavailable, Fenced."""
        async with self._in_turn():
            units = [
                Enqueue(event.record, (self._late(event.record, route),), self._tenure, counters) for event in events
            ]
            await self._store(units)

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        async with self._turn:
            with self._reading():
                yield

    def endpoints_changed(self) -> None:
        """Read anew which endpoints there are."""
        self._routes.clear()

    async def _store(self, units: Sequence[Enqueue]) -> None:
        """Store them, at best in one transaction, and tell of those that are new, in their order."""
        stored = await asyncio.gather(*(self._writer.enqueue(unit) for unit in units))
        for unit, new in zip(units, stored, strict=True):
            await self._made(unit.event, [one for one in unit.deliveries if one.delivery_id in new])

    def _wanted(self, routes: Sequence[Route], event: Happened) -> tuple[Delivery, ...]:
        return tuple(self._delivery(event.record, route) for route in routes if _takes(route, event))

    async def _routes_of(self, org_id: str) -> Sequence[Route] | None:
        """The endpoints of an organisation, as they were read a moment ago; None where they are more than a page.
        Raises Unavailable."""
        now = self._clock.monotonic()
        routes = self._routes.get(org_id, now)
        if routes is None:
            fill = self._routes.filling(org_id)
            routes = tuple(await self._endpoints.routes(org_id, "", PAGE))
            fill(routes, now)
        return routes if len(routes) < PAGE else None

    async def _events_of(self, rows: Sequence[OutboxRow]) -> list[Happened]:
        """The events that these rows tell of, in their order. Raises Unavailable."""
        found: list[Happened] = []
        payloads: dict[tuple[str, int], str] = {}
        for row in rows:
            try:
                seq = _seq(row)
                if (row.debate_id, seq) not in payloads:  # those that follow are often wanted too
                    read = await self._debates.events(row.debate_id, seq - 1, READ_AHEAD)
                    payloads |= {(row.debate_id, seq + place): payload for place, payload in enumerate(read)}
                told = await self._happenings.told(row.debate_id, row.created_at, payloads[row.debate_id, seq])
                found.append(told.happened(self._max_bytes))
            except (InvalidInput, NotFound, ValueError, KeyError, TypeError) as damaged:
                log.warning(
                    "an event of a debate cannot be told",
                    outbox_id=row.outbox_id,
                    debate_id=row.debate_id,
                    error=str(damaged),
                )
        return found

    def _events_in(self, rows: Sequence[OutboxRow]) -> list[Happened]:
        """The events that these rows hold, in their order."""
        found: list[Happened] = []
        for row in rows:
            try:
                found.append(of_workflow(row.payload, self._max_bytes))
            except (InvalidInput, ValueError) as damaged:
                log.warning("an event of a workflow cannot be told", outbox_id=row.outbox_id, error=str(damaged))
        return found

    def _late(self, event: EventRecord, route: Route) -> Delivery:
        """A delivery of an event that happened long ago: due later than it was made, so that it counts as no lag."""
        made = self._delivery(event, route)
        return replace(made, due_at=max(made.due_at, made.created_at + STEP_S))

    def _delivery(self, event: EventRecord, route: Route) -> Delivery:
        wall = self._clock.now()  # also where it was set back: it is due now, whatever the order says
        self._last = made_at = max(wall, self._last + STEP_S)
        paused = route.status is TargetStatus.PAUSED
        return Delivery(
            delivery_id=delivery_id(event.event_id, route.endpoint_id),
            event_id=event.event_id,
            org_id=event.org_id,
            webhook_id=route.endpoint_id,
            target_id=route.endpoint_id,
            event_type=event.type,
            status=DeliveryStatus.PENDING,
            created_at=made_at,
            due_at=PARKED_AT if paused else wall,
            budget_at=wall,
        )


def _seq(row: OutboxRow) -> int:
    """The number of the event in its journal. Raises ValueError, KeyError."""
    seq = encoding.decode(row.payload)["seq"]
    if not isinstance(seq, int) or seq < 1:
        raise ValueError("the row names no event")
    return seq


def _takes(route: Route, event: Happened) -> bool:
    """A disabled or unverified endpoint gets nothing: what it missed is replayed from the journal."""
    if not route.status.hears:
        return False
    return wants(route, event.record.type, event.record.org_id, event.data)
