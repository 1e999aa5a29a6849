"""Deliveries, events and attempts as rows, and back: the columns in the order in which every query names them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from aragora.webhooks.model import Answer, Attempt, Delivery, DeliveryStatus, EventRecord, Failure

EVENT: Final = ("event_id", "org_id", "type", "body", "created_at", "debate_id", "seq")
DELIVERY: Final = (
    *("delivery_id", "event_id", "org_id", "webhook_id", "target_id", "event_type", "status", "created_at", "due_at"),
    *("attempts", "budget_from", "throttled", "last_error", "last_code", "ended_at", "secret", "registered"),
)
CHANGED: Final = (*("status", "due_at", "attempts", "budget_from", "throttled", "last_error", "last_code", "ended_at"),)
"""What of a delivery changes after it was made. Not its secret: a rotation of keys may be at it."""
ATTEMPT: Final = (
    *("delivery_id", "number", "target_id", "started_at", "duration_s", "failure", "code", "told", "text", "address"),
    "retry_after_s",
)


def values_of_event(event: EventRecord) -> tuple[Any, ...]:
    """In the order of EVENT."""
    return (event.event_id, event.org_id, event.type, event.body, event.created_at, event.debate_id, event.seq)


def values_of_delivery(it: Delivery) -> tuple[Any, ...]:
    """In the order of DELIVERY."""
    return (
        it.delivery_id,
        it.event_id,
        it.org_id,
        it.webhook_id,
        it.target_id,
        it.event_type,
        it.status,
        it.created_at,
        it.due_at,
        it.attempts,
        it.budget_from,
        it.throttled,
        it.last_error,
        it.last_code,
        it.ended_at,
        it.secret,
        it.registered,
    )


def changed_of(it: Delivery) -> tuple[Any, ...]:
    """In the order of CHANGED."""
    return (
        it.status,
        it.due_at,
        it.attempts,
        it.budget_from,
        it.throttled,
        it.last_error,
        it.last_code,
        it.ended_at,
    )


def values_of_attempt(target_id: str, attempt: Attempt) -> tuple[Any, ...]:
    """In the order of ATTEMPT."""
    answer = attempt.answer
    return (
        attempt.delivery_id,
        attempt.number,
        target_id,
        attempt.started_at,
        answer.duration_s,
        answer.failure,
        answer.code,
        answer.told,
        answer.text or None,
        answer.address,
        answer.retry_after_s,
    )


def event_of(row: Sequence[Any]) -> EventRecord:
    """From a row in the order of EVENT."""
    return EventRecord(*row)


def delivery_of(row: Sequence[Any]) -> Delivery:
    """From a row in the order of DELIVERY."""
    return Delivery(*row[:6], DeliveryStatus(row[6]), *row[7:16], registered=bool(row[16]))


def attempt_of(row: Sequence[Any]) -> Attempt:
    """From a row in the order of ATTEMPT."""
    delivery_id, number, _, started_at, duration_s, failure, code, told, text, address, retry_after_s = row
    answer = Answer(
        None if failure is None else Failure(failure), duration_s, code, told, text or "", address, retry_after_s
    )
    return Attempt(delivery_id, number, started_at, answer)
