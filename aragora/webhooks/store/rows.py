"""Deliveries, events, attempts and targets as rows, and back: the columns in the order in which every query names
them. But for those of attempts they are the fields of the model, in its order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final

from aragora.webhooks.model import Answer, Attempt, Delivery, DeliveryStatus, EventRecord, Failure, TargetRow

EVENT: Final = tuple(each.name for each in fields(EventRecord))
DELIVERY: Final = tuple(each.name for each in fields(Delivery))
TARGET: Final = tuple(each.name for each in fields(TargetRow))
CHANGED: Final = (
    *("status", "due_at", "budget_at", "budget_from", "attempts", "throttled", "last_error", "last_code", "ended_at"),
    "holder",
)
"""What of a delivery changes after it was made. Not `direct`: a rotation of keys may be at it."""
ATTEMPT: Final = (
    *("delivery_id", "number", "target_id", "started_at", "duration_s", "failure", "code", "told", "text", "address"),
    "retry_after_s",
)

values_of_event: Final = attrgetter(*EVENT)
"""In the order of EVENT."""
values_of_delivery: Final = attrgetter(*DELIVERY)
"""In the order of DELIVERY."""
values_of_target: Final = attrgetter(*TARGET)
"""In the order of TARGET."""
changed_of: Final = attrgetter(*CHANGED)
"""In the order of CHANGED."""

_STATUS: Final = DELIVERY.index("status")
_OLD_FIRST: Final = TARGET.index("old_secret_first")


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
    values = list(row)
    values[_STATUS] = DeliveryStatus(values[_STATUS])
    return Delivery(*values)


def target_of(row: Sequence[Any]) -> TargetRow:
    """From a row in the order of TARGET."""
    values = list(row)
    values[_OLD_FIRST] = bool(values[_OLD_FIRST])
    return TargetRow(*values)


def attempt_of(row: Sequence[Any]) -> Attempt:
    """From a row in the order of ATTEMPT."""
    delivery_id, number, _, started_at, duration_s, failure, code, told, text, address, retry_after_s = row
    answer = Answer(
        None if failure is None else Failure(failure), duration_s, code, told, text or "", address, retry_after_s
    )
    return Attempt(delivery_id, number, started_at, answer)
