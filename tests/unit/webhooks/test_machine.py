"""The rules of delivering, one answer at a time and in any order."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds.webhook_deliveries import WALL, answered, delivery, failed

from aragora.webhooks.machine import (
    DISABLE_MIN_FAILURES,
    RETRY_AFTER_MAX_S,
    THROTTLED_FREE,
    Leave,
    Moment,
    Notice,
    Settled,
    Target,
    Wait,
    expired,
    refused_for_s,
    revived,
    settle,
    take,
    withdraw,
)
from aragora.webhooks.model import Answer, Delivery, DeliveryStatus, Failure, Rules

RULES = Rules()
DAY_S = 86_400.0


def sent(
    answer: Answer,
    one: Delivery | None = None,
    target: Target | None = None,
    *,
    rules: Rules = RULES,
    now: float = 0.0,
    wall: float = WALL,
    draw: float = 0.0,
    other_secret: bool = False,
) -> Settled:
    """What follows where `answer` comes to a request for which there is leave."""
    asked, leave = take(target or Target(), rules, now)
    assert isinstance(leave, Leave), leave
    at = Moment(now, wall, draw)
    return settle(asked, one or delivery(), answer, leave, rules, at=at, other_secret=other_secret)


def failing(times: int, *, rules: Rules = RULES, now: float = 0.0) -> Target:
    """A target after so many requests in a row that failed."""
    target = Target()
    for _ in range(times):
        target = sent(answered(500), target=target, rules=rules, now=now).target
    return target


# Deliveries


@pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
def test_every_2xx_delivers(code: int) -> None:
    settled = sent(answered(code), delivery(last_error="it was away before"))

    assert settled.delivery.status is DeliveryStatus.DELIVERED
    assert settled.delivery.ended_at == WALL
    assert settled.delivery.last_error is None
    assert (settled.delivery.attempts, settled.attempt.number) == (1, 1)
    assert settled.target.in_flight == 0


@pytest.mark.parametrize("answer", [answered(500), answered(404), answered(301), *map(failed, Failure)])
def test_whatever_fails_is_tried_again_after_the_schedule(answer: Answer) -> None:
    settled = sent(answer, draw=0.5)

    assert settled.delivery.status is DeliveryStatus.RETRYING
    assert settled.delivery.due_at == WALL + 1.25  # 1 s, and half of its jitter
    assert settled.delivery.last_error == answer.told


def test_five_retries_follow_the_first_request_and_then_it_is_a_dead_letter() -> None:
    one, waits = delivery(), []
    while one.status is not DeliveryStatus.DEAD_LETTERED:
        settled = sent(answered(500), one)
        one = settled.delivery
        waits.append(one.due_at - WALL)

    assert one.attempts == 6
    assert waits[:5] == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert one.ended_at == WALL
    assert one.last_error == "the receiver answered 500"
    assert Notice.EXHAUSTED in settled.notices


def test_a_revived_dead_letter_keeps_its_ids_and_has_all_its_retries_again() -> None:
    dead = delivery(attempts=6, status=DeliveryStatus.DEAD_LETTERED, ended_at=WALL, throttled=3)

    one = revived(dead, WALL + 30 * DAY_S)

    assert (one.status, one.attempts, one.ended_at) == (DeliveryStatus.PENDING, 6, None)
    tried = 0
    while one.status is not DeliveryStatus.DEAD_LETTERED:
        one, tried = sent(answered(500), one, wall=WALL + 30 * DAY_S).delivery, tried + 1
    assert tried == 6


def test_a_receiver_that_is_gone_gets_nothing_more() -> None:
    settled = sent(answered(410))

    assert settled.delivery.status is DeliveryStatus.DEAD_LETTERED
    assert settled.disable == "the receiver said that it is gone (410)"
    assert Notice.DISABLED in settled.notices


def test_answers_of_4xx_are_final_where_the_target_wants_it_so_but_429_never_is() -> None:
    final = Rules(retry_4xx=False)

    assert sent(answered(422), rules=final).delivery.status is DeliveryStatus.DEAD_LETTERED
    assert sent(answered(429), rules=final).delivery.status is DeliveryStatus.RETRYING
    assert sent(answered(503), rules=final).delivery.status is DeliveryStatus.RETRYING


def test_a_delivery_whose_time_would_be_over_at_the_next_retry_has_none() -> None:
    rules = Rules(give_up_s=3600.0, delays_s=(1800.0,))

    assert sent(answered(500), rules=rules, wall=WALL + 1000).delivery.status is DeliveryStatus.RETRYING
    late = sent(answered(500), rules=rules, wall=WALL + 1900).delivery
    assert late.status is DeliveryStatus.DEAD_LETTERED
    assert late.last_error == "the receiver answered 500; not delivered within 3600 s"
    assert expired(delivery(), rules, WALL + 3600) is None
    dead = expired(delivery(), rules, WALL + 3601)
    assert dead is not None
    assert dead.status is DeliveryStatus.DEAD_LETTERED


# The pace that a receiver asks for


@pytest.mark.parametrize(("asked", "pause"), [(None, 1.0), (0.0, 1.0), (30.0, 30.0), (30 * DAY_S, RETRY_AFTER_MAX_S)])
def test_a_429_pauses_the_whole_target_within_bounds(asked: float | None, pause: float) -> None:
    settled = sent(answered(429, retry_after_s=asked))

    assert settled.delivery.due_at == WALL + pause
    assert take(settled.target, RULES, pause - 0.1)[1] == Wait(pause)
    assert isinstance(take(settled.target, RULES, pause)[1], Leave)


def test_the_first_ten_429_cost_no_retry_and_open_no_breaker() -> None:
    one, target = delivery(), Target()
    for number in range(THROTTLED_FREE):
        settled = sent(answered(429), one, target, now=number * 1000.0)
        one, target = settled.delivery, settled.target
    assert one.attempts - one.budget_from == 0
    assert target.breaker.consecutive_failures == 0

    for number in range(6):
        assert one.status is DeliveryStatus.RETRYING
        settled = sent(answered(429), one, target, now=1e6 + number * 1000.0)
        one, target = settled.delivery, settled.target
    assert one.status is DeliveryStatus.DEAD_LETTERED


def test_a_503_with_retry_after_pauses_the_target_and_counts_as_failure() -> None:
    settled = sent(answered(503, retry_after_s=120.0))

    assert settled.target.breaker.consecutive_failures == 1
    assert take(settled.target, RULES, 119.0)[1] == Wait(120.0)
    assert settled.delivery.due_at == WALL + 120.0


def test_the_rate_of_a_target_holds_and_lets_a_second_go_at_once() -> None:
    rules, target, sent_at = Rules(rate_per_s=5.0, max_in_flight=100), Target(), []
    now = 100.0
    while now < 103.0:
        target, leave = take(target, rules, now)
        if isinstance(leave, Leave):
            sent_at.append(now)
        else:
            assert leave.until is not None
            now = leave.until
    assert len([at for at in sent_at if at == 100.0]) == 5
    assert len(sent_at) == 5 + 3 * 5 - 1


def test_no_more_than_the_slots_are_on_their_way() -> None:
    target, rules = Target(), Rules(max_in_flight=3)
    for _ in range(3):
        target, leave = take(target, rules, 0.0)
        assert isinstance(leave, Leave)
    assert take(target, rules, 0.0)[1] == Wait(None)
    assert isinstance(take(withdraw(target, leave, rules, 0.0), rules, 0.0)[1], Leave)
    one_by_one, _ = take(Target(), Rules(fifo=True), 0.0)
    assert take(one_by_one, Rules(fifo=True), 0.0)[1] == Wait(None)


# The breaker


def test_after_five_failures_in_a_row_nothing_is_sent_for_a_minute_and_then_one_trial() -> None:
    target = failing(5)

    assert refused_for_s(target, RULES, 0.0) == 60.0
    assert take(target, RULES, 59.9)[1] == Wait(60.0, breaker=True)
    assert refused_for_s(target, RULES, 60.0) == 0.0, "trials may pass"
    trying, leave = take(target, RULES, 60.0)
    assert isinstance(leave, Leave)
    assert isinstance(take(trying, RULES, 60.0)[1], Wait), "one trial at a time"


def test_a_trial_that_fails_opens_it_again_and_one_that_succeeds_closes_it() -> None:
    target = failing(5)

    assert refused_for_s(sent(answered(500), target=target, now=60.0).target, RULES, 119.0) == 1.0
    back = sent(answered(200), target=target, now=60.0).target
    assert refused_for_s(back, RULES, 60.0) == 0.0


def test_after_an_outage_the_requests_at_once_grow_with_each_success() -> None:
    target = sent(answered(200), target=failing(5), now=60.0).target
    at_once = []
    for _ in range(8):
        taken, waiting = target, 0
        while isinstance((asked := take(taken, RULES, 60.0))[1], Leave):
            taken, waiting = asked[0], waiting + 1
        at_once.append(waiting)
        target = sent(answered(200), target=target, now=60.0).target
    assert at_once == [2, 3, 4, 5, 6, 7, 8, 8]


@pytest.mark.parametrize("answer", [answered(429), failed(Failure.BLOCKED), answered(410)])
def test_an_answer_that_says_nothing_of_an_outage_opens_no_breaker_and_keeps_no_trial(answer: Answer) -> None:
    assert sent(answer, target=failing(4)).target.breaker.consecutive_failures == 4
    after_trial = sent(answer, target=failing(5), now=60.0).target
    assert after_trial.breaker.trials == ()


def test_waiting_for_the_breaker_costs_no_retry() -> None:
    """With the runbook's numbers the schedule is over after half a minute, the breaker's pause after a whole one."""
    one, target, now = delivery(), Target(), 0.0
    while now < 300.0 and one.status is not DeliveryStatus.DEAD_LETTERED:  # the receiver is away for five minutes
        asked, leave = take(target, RULES, now)
        if isinstance(leave, Wait):
            assert leave.until is not None
            now = leave.until
            continue
        settled = settle(asked, one, answered(500), leave, RULES, at=Moment(now, WALL + now, 0.0), other_secret=False)
        one, target = settled.delivery, settled.target
        now = max(now, one.due_at - WALL)
    assert one.attempts == 6
    assert now >= 60.0, "the last retry waited for the breaker"


# Two secrets


@pytest.mark.parametrize("code", [400, 401, 403])
def test_a_refusal_while_two_secrets_hold_is_tried_at_once_with_the_other_and_costs_nothing(code: int) -> None:
    settled = sent(answered(code), other_secret=True)

    assert settled.again
    assert settled.target.old_secret_first
    assert settled.target.breaker.consecutive_failures == 0
    assert settled.delivery.attempts - settled.delivery.budget_from == 0
    delivered = sent(answered(200), settled.delivery, settled.target)
    assert delivered.target.old_secret_first, "what worked is used from then on"
    assert delivered.delivery.attempts == 2


def test_a_refusal_with_both_secrets_is_a_failure() -> None:
    settled = sent(answered(401), other_secret=False)

    assert not settled.again
    assert settled.target.breaker.consecutive_failures == 1


# What people are told


def test_people_are_told_of_the_fourth_failure_in_a_row_and_of_the_recovery() -> None:
    told = [sent(answered(500), target=failing(times)).notices for times in range(5)]
    assert told == [(), (), (), (Notice.FAILING,), ()]
    assert sent(answered(200), target=failing(4)).notices == (Notice.RECOVERED,)
    assert sent(answered(200), target=failing(3)).notices == ()


def test_a_target_is_disabled_after_five_days_and_twenty_deliveries_without_a_success() -> None:
    once = Rules(max_retries=0, failure_threshold=10**9)

    def after(days: float, failures: int) -> Settled:
        target = Target(failing_since=WALL, failures=failures)
        return sent(answered(500), target=target, rules=once, wall=WALL + days * DAY_S)

    assert after(5.0, DISABLE_MIN_FAILURES - 2).disable is None
    assert after(4.9, 1000).disable is None
    disabled = after(5.0, DISABLE_MIN_FAILURES - 1)
    assert disabled.disable == "20 deliveries in a row failed over 5.0 days"
    assert disabled.notices == (Notice.EXHAUSTED, Notice.DISABLED)
    success = sent(answered(200), target=Target(failing_since=WALL, failures=1000)).target
    assert (success.failing_since, success.failures) == (None, 0)


# In any order

ANSWERS = st.sampled_from([
    *(answered(code) for code in (200, 301, 400, 401, 404, 410, 500)),
    *(answered(code, retry_after_s=after) for code in (429, 503) for after in (None, 5.0, 1e9)),
    *map(failed, Failure),
])  # fmt: skip
STEPS = st.lists(st.tuples(ANSWERS, st.floats(0.0, 100.0), st.floats(-7200.0, 7200.0), st.floats(0.0, 0.99)))


@given(STEPS, st.booleans(), st.integers(0, 6), st.booleans())
@settings(max_examples=300)
def test_whatever_comes_the_bounds_hold(
    steps: list[tuple[Answer, float, float, float]], fifo: bool, retries: int, two_secrets: bool
) -> None:
    """Any order of answers and waits, the wall clock set at will: no request without leave, no request beyond the
    budget, and whatever waits has a time at which it is tried again."""
    rules = Rules(max_retries=retries, fifo=fifo, rate_per_s=10.0)
    target, one, now, swapped = Target(), delivery(), 0.0, False
    paid = 0
    for answer, passed_s, set_by_s, draw in steps:
        now += passed_s
        target, leave = take(target, rules, now)
        if isinstance(leave, Wait):
            assert leave.until is not None, "nothing is on its way, so there is a time to ask again"
            assert now < leave.until <= now + RETRY_AFTER_MAX_S
            now = leave.until
            target, leave = take(target, rules, now)
        if isinstance(leave, Wait):
            continue
        at = Moment(now, WALL + now + set_by_s, draw)
        before = one
        settled = settle(target, one, answer, leave, rules, at=at, other_secret=two_secrets and not swapped)
        swapped = settled.again
        target, one = settled.target, settled.delivery
        paid += (one.attempts - one.budget_from) - (before.attempts - before.budget_from)
        assert one.attempts == before.attempts + 1
        assert one.attempts - one.budget_from <= retries + 1
        assert paid <= retries + 1
        assert target.in_flight == 0
        assert target.slots >= 1
        if not one.status.waits:
            assert one.ended_at == at.wall
            one, paid, swapped = revived(one, at.wall), 0, False
        else:
            assert one.due_at <= at.wall + max(1.5 * rules.max_s, RETRY_AFTER_MAX_S)
