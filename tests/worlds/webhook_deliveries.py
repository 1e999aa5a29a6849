"""Deliveries and answers as the tests of webhooks need them; times are given from a wall clock that shows `WALL`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from aragora.webhooks.model import Answer, Delivery, DeliveryStatus, Failure

WALL: Final = 1_800_000_000.0


def delivery(number: int = 1, **changes: Any) -> Delivery:
    """A delivery that waits for its first request."""
    made = Delivery(
        delivery_id=f"dlv_{number:032x}",
        event_id=f"evt_{number}",
        org_id="local",
        webhook_id="wh_1",
        target_id="wh_1",
        event_type="debate_end",
        status=DeliveryStatus.PENDING,
        created_at=WALL,
        due_at=WALL,
        budget_at=WALL,
    )
    return replace(made, **changes)


def answered(code: int, *, retry_after_s: float | None = None, duration_s: float = 0.01) -> Answer:
    """The receiver answered with a status code."""
    if 200 <= code < 300:
        return Answer(None, duration_s, code=code)
    failure = Failure.REDIRECT if 300 <= code < 400 else Failure.STATUS
    return Answer(failure, duration_s, code=code, told=f"the receiver answered {code}", retry_after_s=retry_after_s)


def failed(failure: Failure) -> Answer:
    """There was no answer."""
    return Answer(failure, 0.01, told=f"no answer ({failure})")
