"""What the log tells of targets in trouble: a line for each change, and one an hour while it lasts, not one for each
request. A receiver that fails ten thousand times costs a few lines.

Each line names the delivery at which it was seen, the webhook and its organisation. Of a URL it shows the host only,
for the rest may hold a token.
"""

from __future__ import annotations

from collections import OrderedDict
from enum import Enum, auto
from typing import Final

import structlog
from yarl import URL

from aragora.clock import Clock
from aragora.resilience.circuit_breaker import BreakerState
from aragora.webhooks.machine import Settled
from aragora.webhooks.model import Answer, Delivery, DeliveryStatus

KEPT: Final = 10_000  # troubles; one that was forgotten is told again
AGAIN_S: Final = 3_600.0

log = structlog.get_logger("aragora.webhooks")


class _Trouble(Enum):
    BLOCKED = auto()
    REFUSING = auto()
    DEAD_LETTERS = auto()
    UNREADABLE = auto()


class TroubleLog:
    """The log of one owner of deliveries."""

    def __init__(self, clock: Clock) -> None:
        self._told: OrderedDict[tuple[str, _Trouble], float] = OrderedDict()  # when it was told last
        self._clock = clock

    def attempted(self, settled: Settled, url: str) -> None:
        """A request, sent to `url`, has had this outcome."""
        delivery, answer = settled.delivery, settled.attempt.answer
        if answer.failure is None:
            if self._told.pop((delivery.target_id, _Trouble.REFUSING), None) is not None:
                log.info("the receiver of a webhook is back", **_named(delivery))
            return
        if answer.refused_for is not None and self._first(delivery, _Trouble.BLOCKED):
            log.warning("webhook blocked", **_named(delivery), host=host_of(url), why=answer.refused_for.value)
        if settled.target.breaker.state is BreakerState.OPEN and self._first(delivery, _Trouble.REFUSING):
            log.warning("the receiver of a webhook fails: its deliveries wait", **_named(delivery), **_answer(answer))
        if delivery.status is DeliveryStatus.DEAD_LETTERED and self._first(delivery, _Trouble.DEAD_LETTERS):
            log.warning("deliveries of a webhook become dead letters", **_named(delivery), **_answer(answer))

    def unreadable(self, delivery: Delivery, error: str) -> None:
        """What is to be sent, or where, cannot be read."""
        if self._first(delivery, _Trouble.UNREADABLE):
            log.warning("a webhook cannot be read, and is not sent", **_named(delivery), error=error)

    def readable(self, delivery: Delivery) -> None:
        """It can be read."""
        self._told.pop((delivery.target_id, _Trouble.UNREADABLE), None)

    def _first(self, delivery: Delivery, trouble: _Trouble) -> bool:
        """Whether this trouble of a target is to be told now; then it is noted as told."""
        key, now = (delivery.target_id, trouble), self._clock.monotonic()
        if key in self._told and now - self._told[key] < AGAIN_S:
            return False
        self._told[key] = now
        self._told.move_to_end(key)
        if len(self._told) > KEPT:
            self._told.popitem(last=False)
        return True


def host_of(url: str) -> str | None:
    """The host of a URL; None where it cannot be read."""
    try:
        return URL(url).host
    except ValueError:
        return None


def _named(delivery: Delivery) -> dict[str, str]:
    return {"delivery_id": delivery.delivery_id, "webhook_id": delivery.webhook_id, "org_id": delivery.org_id}


def _answer(answer: Answer) -> dict[str, object]:
    return {"code": answer.code, "error": answer.told}
