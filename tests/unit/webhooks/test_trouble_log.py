"""A receiver in trouble is told in a few lines, however often it fails, and without a secret."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import structlog
from worlds.backends import SetClock
from worlds.webhook_deliveries import WALL, answered, delivery, failed

from aragora.resilience.circuit_breaker import Breaker, BreakerState
from aragora.webhooks.machine import Settled, Target
from aragora.webhooks.model import Answer, Attempt, DeliveryStatus, Failure
from aragora.webhooks.networks import Reason
from aragora.webhooks.trouble_log import AGAIN_S, KEPT, TroubleLog

URL = "https://hooks.example.com/t0ken?key=s3cret"
NAMES = {"delivery_id": delivery().delivery_id, "webhook_id": "wh_1", "org_id": "local"}
OPEN = Target(breaker=Breaker(state=BreakerState.OPEN))
BLOCKED = replace(failed(Failure.BLOCKED), refused_for=Reason.PRIVATE)


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as logged:
        yield logged


def settled(answer: Answer, target: Target | None = None, **changes: Any) -> Settled:
    one = delivery(**changes)
    return Settled(target or Target(), one, Attempt(one.delivery_id, 1, WALL, answer))


def test_ten_thousand_failures_of_one_receiver_are_two_lines(lines: list[Any]) -> None:
    log = TroubleLog(SetClock(WALL))
    for _ in range(5_000):
        log.attempted(settled(answered(500), OPEN), URL)
        log.attempted(settled(answered(500), OPEN, status=DeliveryStatus.DEAD_LETTERED), URL)
        log.attempted(settled(answered(400)), URL)
    assert [line["event"] for line in lines] == [
        "the receiver of a webhook fails: its deliveries wait",
        "deliveries of a webhook become dead letters",
    ]
    for line in lines:
        assert line["log_level"] == "warning"
        assert line.items() >= NAMES.items()
        assert (line["code"], line["error"]) == (500, "the receiver answered 500")


def test_that_a_receiver_is_back_is_told_once_and_its_next_failure_again(lines: list[Any]) -> None:
    log = TroubleLog(SetClock(WALL))
    for _ in range(3):
        log.attempted(settled(answered(500), OPEN), URL)
    for _ in range(3):
        log.attempted(settled(answered(200)), URL)
    log.attempted(settled(answered(500), OPEN), URL)
    assert [(line["log_level"], line["event"]) for line in lines] == [
        ("warning", "the receiver of a webhook fails: its deliveries wait"),
        ("info", "the receiver of a webhook is back"),
        ("warning", "the receiver of a webhook fails: its deliveries wait"),
    ]


def test_an_endpoint_that_fails_and_succeeds_in_turn_tells_its_dead_letters_once_an_hour(lines: list[Any]) -> None:
    clock = SetClock(WALL)
    log = TroubleLog(clock)
    for _ in range(100):
        log.attempted(settled(answered(400), status=DeliveryStatus.DEAD_LETTERED), URL)
        log.attempted(settled(answered(200)), URL)
    assert len(lines) == 1
    clock.at += AGAIN_S
    log.attempted(settled(answered(400), status=DeliveryStatus.DEAD_LETTERED), URL)
    assert len(lines) == 2


def test_a_blocked_address_is_told_with_its_host_and_why_and_nothing_else_of_the_url(lines: list[Any]) -> None:
    log = TroubleLog(SetClock(WALL))
    for _ in range(10):
        log.attempted(settled(BLOCKED), URL)
    (line,) = lines
    assert line == {
        "event": "webhook blocked",
        "log_level": "warning",
        "host": "hooks.example.com",
        "why": "private",
        **NAMES,
    }


def test_each_target_has_its_own_lines_and_what_is_remembered_is_bounded(lines: list[Any]) -> None:
    log = TroubleLog(SetClock(WALL))
    for number in range(KEPT + 1):
        log.attempted(settled(BLOCKED, target_id=f"wh_{number}"), URL)
    assert len(lines) == KEPT + 1
    log.attempted(settled(BLOCKED, target_id=f"wh_{KEPT}"), URL)
    assert len(lines) == KEPT + 1
    log.attempted(settled(BLOCKED, target_id="wh_0"), URL)
    assert len(lines) == KEPT + 2


def test_what_cannot_be_read_is_told_until_it_can(lines: list[Any]) -> None:
    log = TroubleLog(SetClock(WALL))
    for number in range(5):
        log.unreadable(delivery(number), "its key is missing")
    log.readable(delivery(9))
    log.unreadable(delivery(9), "its key is missing")
    assert [line["error"] for line in lines] == ["its key is missing"] * 2
    assert lines[0].items() >= {"webhook_id": "wh_1", "org_id": "local"}.items()
