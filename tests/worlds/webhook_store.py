"""Events, endpoints and units as the tests of the store of webhooks need them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from worlds.webhook_deliveries import WALL, answered, delivery

from aragora.observability.samples import CounterDelta
from aragora.webhooks.endpoint import Endpoint
from aragora.webhooks.model import Answer, Attempt, Delivery, DeliveryStatus, EventRecord
from aragora.webhooks.store.units import Attempted, Enqueue, Tenure

DELIVERED = CounterDelta("aragora_webhook_deliveries_total", (("event_type", "debate_end"),), 1.0)


def event(number: int = 1, **changes: Any) -> EventRecord:
    """What `delivery(number)` brings."""
    made = EventRecord(f"evt_{number}", "local", "debate_end", '{"type": "debate_end"}', WALL, "deb_1", number)
    return replace(made, **changes)


def enqueued(*deliveries: Delivery, tenure: Tenure | None = None, **changes: Any) -> Enqueue:
    """New deliveries of the event of the first."""
    number = int(deliveries[0].event_id.removeprefix("evt_"))
    return Enqueue(event(number, org_id=deliveries[0].org_id, **changes), deliveries, tenure)


def attempted(
    before: Delivery,
    answer: Answer | None = None,
    *,
    at: float = WALL + 1.0,
    tenure: Tenure | None = None,
    **changes: Any,
) -> Attempted:
    """The next attempt of a delivery, which ends with it unless `changes` say otherwise."""
    ended: dict[str, Any] = {"status": DeliveryStatus.DELIVERED, "ended_at": at, "last_code": 200}
    after = replace(before, attempts=before.attempts + 1, **(ended | changes))
    attempt = Attempt(before.delivery_id, after.attempts, at, answer or answered(200))
    return Attempted(after, attempt, (DELIVERED,), tenure)


def dead(before: Delivery, at: float = WALL + 1.0, text: str = "no") -> Attempted:
    """The last attempt of a delivery, which fails."""
    answer = replace(answered(500), text=text)
    changes = {"status": DeliveryStatus.DEAD_LETTERED, "last_code": 500, "last_error": answer.told}
    return attempted(before, answer, at=at, **changes)


def endpoint(number: int = 1, **changes: Any) -> Endpoint:
    """A registered endpoint, each at an address of its own."""
    made = Endpoint(
        endpoint_id=f"wh_{number:06}",
        org_id="local",
        url=f"https://example.com/hooks/{number}?token=tok-{number}",
        secret="whsec_of_the_first",
        events=("debate_end",),
        created_at=WALL + number,
        created_by="ann",
    )
    return replace(made, **changes)


def many(first: int, count: int, **changes: Any) -> tuple[Delivery, ...]:
    """Deliveries of the event of the first."""
    return tuple(delivery(number, event_id=f"evt_{first}", **changes) for number in range(first, first + count))
