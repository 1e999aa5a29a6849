"""How long a stored delivery still waits when its next owner takes it up, whatever the wall clock shows by then."""

from __future__ import annotations

import pytest
from worlds.webhook_deliveries import WALL, delivery

from aragora.webhooks.kept import wait_s
from aragora.webhooks.machine import RETRY_AFTER_MAX_S
from aragora.webhooks.model import DeliveryStatus, Rules
from aragora.webhooks.schedule import PATIENT

HOUR_S = 3_600.0
RETRYING = DeliveryStatus.RETRYING


def test_what_was_not_tried_yet_is_due_now_also_where_the_clock_was_set_back() -> None:
    assert wait_s(delivery(), Rules(), WALL + 5.0) == 0.0
    assert wait_s(delivery(), Rules(), WALL - HOUR_S) == 0.0


def test_a_retry_waits_for_its_time() -> None:
    one = delivery(status=RETRYING, due_at=WALL + 100.0)
    assert wait_s(one, Rules(), WALL) == 100.0
    assert wait_s(one, Rules(), WALL + 200.0) == 0.0


@pytest.mark.parametrize(
    ("rules", "longest_s"), [(Rules(), 450.0), (Rules(delays_s=(1.0, 20.0)), 30.0), (PATIENT, 36 * HOUR_S)]
)
def test_where_the_clock_was_set_back_a_retry_waits_for_no_longer_than_its_schedule_ever_pauses(
    rules: Rules, longest_s: float
) -> None:
    one = delivery(status=RETRYING, due_at=WALL, attempts=1)
    assert wait_s(one, rules, WALL - 1_000 * HOUR_S) == longest_s


def test_what_a_receiver_asked_for_is_believed_for_an_hour() -> None:
    one = delivery(status=RETRYING, due_at=WALL, attempts=1, last_code=503)
    assert wait_s(one, Rules(), WALL - 1_000 * HOUR_S) == RETRY_AFTER_MAX_S
