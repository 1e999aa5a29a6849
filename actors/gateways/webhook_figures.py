"""The readings of webhooks for the metrics page, out of the store, and of the processes that deliver.

Counting what waits may take a second where a million deliveries do, so these counts are as old as `COUNTED_S`. Which
breakers refuse, and what is on its way, is asked for each page.
"""

from __future__ import annotations

from typing import Final, Protocol

from aragora.clock import Clock
from aragora.debate.records import TOLD
from aragora.errors import Unavailable
from aragora.observability.samples import CounterDelta
from aragora.storage.database import Database
from aragora.storage.outbox import Pending
from aragora.webhooks.model import TargetStatus
from aragora.webhooks.store.choices import EndpointChoices
from aragora.webhooks.store.deliveries import DeliveryStore
from aragora.webhooks.store.figures import DAY_S, WebhookStandings

COUNTED_S: Final = 30.0
SERIES_MAX: Final = 1_000
REGISTERED: Final = "wh_"
"""How the ids of registered endpoints begin. The addresses of direct deliveries are no labels."""


class InFlight(Protocol):
    """Knows what is on its way (`actors.gateways.webhooks_in_flight.WebhooksInFlight`)."""

    async def count(self) -> int: ...


class WebhookFigures:
    """Reads the context `webhooks`, and what `outbox` has to tell of debates."""

    def __init__(self, database: Database, outbox: Pending, in_flight: InFlight, clock: Clock) -> None:
        self._deliveries = DeliveryStore(database)
        self._choices = EndpointChoices(database)
        self._standings = WebhookStandings(database)
        self._outbox = outbox
        self._in_flight = in_flight
        self._clock = clock
        self._counted: list[CounterDelta] = []
        self._closed: list[str] = []  # endpoints whose breaker is closed unless it is known to refuse
        self._count_again_at = 0.0

    async def gauges(self) -> list[CounterDelta]:
        """Raises Unavailable where the store is away. Where the cluster does not tell its actors, what is on its way is
        not known, and absent."""
        wall = self._clock.now()
        if self._clock.monotonic() >= self._count_again_at:
            self._counted = await self._count(wall)
            self._closed = await self._standings.delivered_to(wall - DAY_S, SERIES_MAX)
            self._count_again_at = self._clock.monotonic() + COUNTED_S
        waits_s = await self._oldest_event_s(wall)
        return [
            *await self._breakers(wall),
            *self._counted,
            _gauge("aragora_webhook_oldest_event_seconds", waits_s),
            *await self._on_their_way(),
        ]

    async def _breakers(self, wall: float) -> list[CounterDelta]:
        """One for each endpoint whose breaker is not closed, or to which something was sent within a day."""
        refusing = await self._deliveries.refusing(SERIES_MAX)
        states = {
            target_id: 1.0 if row.breaker == "open" and (row.retry_at or 0.0) > wall else 0.0
            for target_id, row in refusing.items()
            if target_id.startswith(REGISTERED)
        }
        for endpoint_id in self._closed[: SERIES_MAX - len(states)]:
            states.setdefault(endpoint_id, 0.0)
        return [_gauge("aragora_webhook_circuit_breaker_state", state, endpoint=one) for one, state in states.items()]

    async def _oldest_event_s(self, wall: float) -> float:
        oldest = await self._outbox.pending((TOLD,), 1)
        return max(0.0, wall - oldest[0].created_at) if oldest else 0.0

    async def _on_their_way(self) -> list[CounterDelta]:
        try:
            return [_gauge("aragora_webhook_in_flight", float(await self._in_flight.count()))]
        except Unavailable:
            return []

    async def _count(self, wall: float) -> list[CounterDelta]:
        waiting = await self._standings.waiting()
        endpoints = await self._choices.count_by_status()
        overdue = await self._standings.overdue(wall)
        return [
            *(_gauge("aragora_webhook_waiting", float(count), state=status.value) for status, count in waiting.items()),
            *(
                _gauge("aragora_webhook_endpoints", float(endpoints[status]), status=status.value)
                for status in TargetStatus
            ),
            _gauge("aragora_webhook_oldest_due_seconds", overdue.due_s),
            _gauge("aragora_webhook_oldest_held_seconds", overdue.held_s),
        ]


def _gauge(name: str, reading: float, **labels: str) -> CounterDelta:
    return CounterDelta(name, tuple(sorted(labels.items())), reading)
