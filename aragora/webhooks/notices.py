"""What owners of endpoints are told of them: operational events, at most one of a kind for an endpoint and hour."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from aragora.webhooks.envelope import iso
from aragora.webhooks.machine import Notice, Settled
from aragora.webhooks.operational import WebhookDisabled, WebhookExhausted, WebhookFailing, WebhookRecovered

EVERY_S: Final = 3_600.0
KEPT: Final = 10_000

Operational = WebhookFailing | WebhookRecovered | WebhookExhausted | WebhookDisabled


class NoticeBook:
    """Which notices are due. `now` is monotonic seconds, `wall` seconds since the epoch."""

    def __init__(self) -> None:
        self._told: OrderedDict[tuple[str, Notice], tuple[float, float]] = OrderedDict()

    def due(self, endpoint_id: str, notice: Notice, now: float, wall: float) -> float | None:
        """Since when (wall time) what this notice tells is so, where it is to be told now; then it is noted as told.
        None where it is not. That an endpoint recovered is told where its failure was."""
        if notice is Notice.RECOVERED:
            failing = self._told.pop((endpoint_id, Notice.FAILING), None)
            return None if failing is None else failing[1]
        key = (endpoint_id, notice)
        told = self._told.get(key)
        if told is not None and now - told[0] < EVERY_S:
            return None
        self._told[key] = (now, wall)
        self._told.move_to_end(key)
        if len(self._told) > KEPT:
            self._told.popitem(last=False)
        return wall


def told_of(notice: Notice, settled: Settled, since: float) -> Operational:
    """The event of a notice that follows from an attempt. `since` is what the book said."""
    delivery = settled.delivery
    webhook_id = delivery.webhook_id
    if notice is Notice.FAILING:
        failures = settled.target.breaker.consecutive_failures
        return WebhookFailing(webhook_id, failures, iso(since), delivery.last_error, delivery.last_code)
    if notice is Notice.RECOVERED:
        return WebhookRecovered(webhook_id, iso(since))
    if notice is Notice.DISABLED:
        return WebhookDisabled(webhook_id, settled.disable or "")
    return WebhookExhausted(
        webhook_id,
        delivery.delivery_id,
        delivery.event_type,
        delivery.attempts,
        last_error=delivery.last_error,
        last_code=delivery.last_code,
    )
