"""What an attempt adds to the durable counters: written in the transaction that writes the attempt. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from aragora.observability.metrics import BY_NAME
from aragora.observability.samples import CounterDelta, observation
from aragora.webhooks.events import label
from aragora.webhooks.model import Answer, Attempt, Delivery, DeliveryStatus, Failure

DELIVERIES: Final = "aragora_webhook_deliveries_total"
RETRIES: Final = "aragora_webhook_retries_total"
DEAD_LETTERED: Final = "aragora_webhook_dead_lettered_total"
CANCELLED: Final = "aragora_webhook_cancelled_total"
_LATENCY: Final = BY_NAME["aragora_webhook_delivery_latency_seconds"]


ONE_CANCELLED: Final = (CounterDelta(CANCELLED, (), 1.0),)
REPLAYED: Final = (CounterDelta("aragora_webhook_replayed_total", (), 1.0),)
"""For each delivery that a replay makes or brings back."""


def of_attempt(after: Delivery, attempt: Attempt) -> tuple[CounterDelta, ...]:
    """The increments of one attempt; `after` is its delivery once it is settled."""
    event_type = label(after.event_type)
    counted = [_one(DELIVERIES, event_type, _status(attempt.answer))]
    counted += observation(_LATENCY, (("event_type", event_type),), attempt.answer.duration_s)
    if attempt.number > 1:
        counted.append(_one(RETRIES, event_type))
    return (*counted, *of_end(after))


def of_end(after: Delivery) -> tuple[CounterDelta, ...]:
    """The increments of a delivery that ends without success; none for any other."""
    if after.status is DeliveryStatus.DEAD_LETTERED:
        return (_one(DEAD_LETTERED, label(after.event_type)),)
    if after.status is DeliveryStatus.CANCELLED:
        return ONE_CANCELLED
    return ()


def _status(answer: Answer) -> str:
    if answer.failure is None:
        return "delivered"
    return answer.failure.value if answer.failure in (Failure.TIMEOUT, Failure.BLOCKED) else "failed"


@lru_cache(maxsize=1_000)  # event types are a catalogue, and `other`
def _one(sample: str, event_type: str, status: str | None = None) -> CounterDelta:
    labels = [("event_type", event_type)]
    return CounterDelta(sample, tuple(labels if status is None else [*labels, ("status", status)]), 1.0)
