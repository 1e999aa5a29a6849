"""The readings of webhooks for the metrics page, out of the store.

Counting what waits may take a second where a million deliveries do, so these counts are as old as `COUNTED_S`. Which
breakers refuse is read for each page.
"""

from __future__ import annotations

from typing import Final

from aragora.clock import Clock
from aragora.observability.samples import CounterDelta
from aragora.storage.database import Database
from aragora.webhooks.model import TargetStatus
from aragora.webhooks.store.choices import EndpointChoices
from aragora.webhooks.store.deliveries import DeliveryStore

COUNTED_S: Final = 30.0
SERIES_MAX: Final = 1_000
REGISTERED: Final = "wh_"
"""How the ids of registered endpoints begin. The addresses of direct deliveries are no labels."""


class WebhookFigures:
    """Kept in the context `webhooks`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._deliveries = DeliveryStore(database)
        self._choices = EndpointChoices(database)
        self._clock = clock
        self._counted: list[CounterDelta] = []
        self._count_again_at = 0.0

    async def gauges(self) -> list[CounterDelta]:
        """Raises Unavailable."""
        wall = self._clock.now()
        refusing = await self._deliveries.refusing(SERIES_MAX)
        breakers = [
            CounterDelta(
                "aragora_webhook_circuit_breaker_state",
                (("endpoint", target_id),),
                1.0 if row.breaker == "open" and (row.retry_at or 0.0) > wall else 0.0,
            )
            for target_id, row in refusing.items()
            if target_id.startswith(REGISTERED)
        ]
        if self._clock.monotonic() >= self._count_again_at:
            self._counted = await self._count(wall)
            self._count_again_at = self._clock.monotonic() + COUNTED_S
        return [*breakers, *self._counted]

    async def _count(self, wall: float) -> list[CounterDelta]:
        waiting = await self._deliveries.waiting()
        endpoints = await self._choices.count_by_status()
        oldest = await self._deliveries.oldest_due()
        overdue_s = 0.0 if oldest is None else max(0.0, wall - oldest)
        return [
            *(_gauge("aragora_webhook_waiting", float(count), state=status.value) for status, count in waiting.items()),
            *(
                _gauge("aragora_webhook_endpoints", float(endpoints[status]), status=status.value)
                for status in TargetStatus
            ),
            _gauge("aragora_webhook_oldest_due_seconds", overdue_s),
        ]


def _gauge(name: str, reading: float, **labels: str) -> CounterDelta:
    return CounterDelta(name, tuple(sorted(labels.items())), reading)
