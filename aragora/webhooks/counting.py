"""What an attempt adds to the durable counters: written in the transaction that writes the attempt. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from aragora.observability.metrics import BY_NAME
from aragora.observability.samples import CounterDelta, observation
from aragora.webhooks.events import label
from aragora.webhooks.model import Answer, Attempt, Delivery, DeliveryStatus, Failure
from aragora.webhooks.networks import Reason

DELIVERIES: Final = "aragora_webhook_deliveries_total"
RETRIES: Final = "aragora_webhook_retries_total"
DEAD_LETTERED: Final = "aragora_webhook_dead_lettered_total"
CANCELLED: Final = "aragora_webhook_cancelled_total"
BLOCKED: Final = "aragora_webhook_blocked_total"
_LATENCY: Final = BY_NAME["aragora_webhook_delivery_latency_seconds"]
_LAG: Final = BY_NAME["aragora_webhook_lag_seconds"]


ONE_CANCELLED: Final = (CounterDelta(CANCELLED, (), 1.0),)
REPLAYED: Final = (CounterDelta("aragora_webhook_replayed_total", (), 1.0),)
"""For each delivery that a replay makes or brings back."""


def of_attempt(after: Delivery, attempt: Attempt, lag_s: float | None = None) -> tuple[CounterDelta, ...]:
    """The increments of one attempt; `after` is its delivery once it is settled, `lag_s` what `lag_s` says of it."""
    event_type = label(after.event_type)
    counted = [_one(DELIVERIES, event_type, _status(attempt.answer))]
    counted += observation(_LATENCY, (("event_type", event_type),), attempt.answer.duration_s)
    if attempt.number > 1:
        counted.append(_one(RETRIES, event_type))
    if lag_s is not None:
        counted += observation(_LAG, (), lag_s)
    if attempt.answer.refused_for is not None:
        counted.append(_blocked(attempt.answer.refused_for))
    return (*counted, *of_end(after))


def of_end(after: Delivery) -> tuple[CounterDelta, ...]:
    """The increments of a delivery that ends without success; none for any other."""
    if after.status is DeliveryStatus.DEAD_LETTERED:
        return (_one(DEAD_LETTERED, label(after.event_type)),)
    if after.status is DeliveryStatus.CANCELLED:
        return ONE_CANCELLED
    return ()


def lag_s(delivery: Delivery, event_at: float, started_at: float, refused_at: float) -> float | None:
    """How long an event waited for the first request of `delivery`, as it was before that request: None where that says
    nothing of this server. Such are retries, deliveries for which their target gave no leave since they were due (its
    breaker, a pause, its rate, order or `max_in_flight`), and those that are due later than they were made: parked for
    an endpoint that was paused, or made by a replay.

    All in seconds since the epoch: the event's time, the request's beginning, and when the target refused last.
    """
    if delivery.attempts > 0 or delivery.due_at > delivery.created_at or refused_at >= delivery.due_at:
        return None
    return max(0.0, started_at - event_at)


def _status(answer: Answer) -> str:
    if answer.failure is None:
        return "delivered"
    return answer.failure.value if answer.failure in (Failure.TIMEOUT, Failure.BLOCKED) else "failed"


def _blocked(reason: Reason) -> CounterDelta:
    return CounterDelta(BLOCKED, (("reason", reason.value),), 1.0)


@lru_cache(maxsize=1_000)  # event types are a catalogue, and `other`
def _one(sample: str, event_type: str, status: str | None = None) -> CounterDelta:
    labels = [("event_type", event_type)]
    return CounterDelta(sample, tuple(labels if status is None else [*labels, ("status", status)]), 1.0)
