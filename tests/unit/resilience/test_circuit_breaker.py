from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.resilience.circuit_breaker import (
    Breaker,
    BreakerPolicy,
    BreakerState,
    Failed,
    Lease,
    Refusal,
    Succeeded,
    TrialPermit,
    Withdrawn,
    changed,
    from_row,
    outstanding,
    permit,
    record,
    standing,
    tick,
    to_row,
)

POLICY = BreakerPolicy()
WALL = 1_700_000_000.0


def opened(now: float = 0.0, policy: BreakerPolicy = POLICY) -> Breaker:
    breaker = Breaker()
    for _ in range(policy.failure_threshold):
        breaker = record(breaker, Failed(breaker.epoch, "overloaded"), now, policy)
    assert breaker.state is BreakerState.OPEN
    return breaker


def trial(breaker: Breaker, now: float) -> tuple[Breaker, TrialPermit]:
    breaker, permission = permit(breaker, now, POLICY)
    assert isinstance(permission, TrialPermit)
    return breaker, permission


def test_a_fresh_breaker_grants_a_lease_that_wants_no_successes_told() -> None:
    _, permission = permit(Breaker(), 0.0, POLICY)
    assert permission == Lease(0, POLICY.lease_s, outstanding=False)


def test_four_failures_leave_it_closed_and_the_fifth_opens_it() -> None:
    breaker = Breaker()
    for _ in range(4):
        breaker = record(breaker, Failed(0, "boom"), 1.0, POLICY)
    assert breaker.state is BreakerState.CLOSED
    breaker = record(breaker, Failed(0, "boom"), 1.0, POLICY)
    assert breaker.state is BreakerState.OPEN
    assert breaker.retry_at == 61.0


def test_a_success_between_failures_starts_the_count_again() -> None:
    breaker = Breaker()
    for _ in range(3):
        for _ in range(4):
            breaker = record(breaker, Failed(0, "boom"), 1.0, POLICY)
        breaker = record(breaker, Succeeded(0), 1.0, POLICY)
    assert breaker.state is BreakerState.CLOSED


def test_a_window_that_fails_half_the_time_opens_it_without_a_streak() -> None:
    breaker = Breaker()
    for second in range(POLICY.window_calls):
        report = Failed(0, "flaky") if second % 2 == 0 else Succeeded(0)
        breaker = record(breaker, report, second * 0.5, POLICY)
    breaker = record(breaker, Failed(0, "flaky"), 11.0, POLICY)
    assert breaker.state is BreakerState.OPEN


def test_old_failures_are_forgotten_with_the_window() -> None:
    breaker = record(Breaker(), Failed(0, "boom"), 0.0, POLICY)
    breaker = record(breaker, Succeeded(0), 1.0, POLICY)
    assert outstanding(breaker)
    assert not outstanding(tick(breaker, 61.5, POLICY))


def test_an_open_breaker_refuses_and_says_how_long() -> None:
    _, permission = permit(opened(), 20.0, POLICY)
    assert permission == Refusal(40.0, "overloaded")


def test_a_longer_retry_after_of_the_provider_keeps_it_open_longer_but_not_beyond_belief() -> None:
    for asked, kept in ((300.0, 300.0), (5.0, 60.0), (1e9, POLICY.max_open_s)):
        breaker = replace(Breaker(), consecutive_failures=4)
        breaker = record(breaker, Failed(0, "slow down", retry_after_s=asked), 0.0, POLICY)
        assert breaker.retry_at == kept


def test_after_its_time_it_lets_a_few_trials_pass_and_no_more() -> None:
    breaker = opened()
    for _ in range(POLICY.trial_permits):
        breaker, _ = trial(breaker, 60.0)
    assert breaker.state is BreakerState.HALF_OPEN
    _, permission = permit(breaker, 60.0, POLICY)
    assert isinstance(permission, Refusal)


def test_two_good_trials_close_it() -> None:
    breaker, first = trial(opened(), 60.0)
    breaker, second = trial(breaker, 60.0)
    breaker = record(breaker, Succeeded(first.epoch, first.trial_id), 61.0, POLICY)
    assert breaker.state is BreakerState.HALF_OPEN
    breaker = record(breaker, Succeeded(second.epoch, second.trial_id), 61.0, POLICY)
    assert breaker.state is BreakerState.CLOSED
    assert not outstanding(breaker)


def test_a_trial_told_twice_counts_once() -> None:
    breaker, only = trial(opened(), 60.0)
    for _ in range(3):
        breaker = record(breaker, Succeeded(only.epoch, only.trial_id), 61.0, POLICY)
    assert breaker.state is BreakerState.HALF_OPEN


def test_a_failed_trial_opens_it_for_another_minute() -> None:
    breaker, only = trial(opened(), 60.0)
    breaker = record(breaker, Failed(only.epoch, "still down", only.trial_id), 65.0, POLICY)
    assert breaker.state is BreakerState.OPEN
    assert breaker.retry_at == 125.0


def test_a_trial_whose_caller_died_gives_its_permit_back() -> None:
    breaker = opened()
    for _ in range(POLICY.trial_permits):
        breaker, _ = trial(breaker, 60.0)
    breaker, _ = trial(breaker, 60.0 + POLICY.trial_s)
    assert len(breaker.trials) == 1


def test_outcomes_of_calls_made_before_it_opened_change_nothing() -> None:
    breaker = opened()
    assert record(breaker, Failed(0, "late"), 5.0, POLICY) == breaker
    assert record(breaker, Succeeded(0), 5.0, POLICY) == breaker
    half_open, first = trial(breaker, 60.0)
    assert record(half_open, Failed(0, "late"), 61.0, POLICY) == half_open
    half_open, second = trial(half_open, 61.0)
    closed = record(half_open, Succeeded(first.epoch, first.trial_id), 62.0, POLICY)
    closed = record(closed, Succeeded(second.epoch, second.trial_id), 62.0, POLICY)
    for _ in range(10):
        closed = record(closed, Failed(0, "very late"), 63.0, POLICY)
    assert closed.state is BreakerState.CLOSED


def test_changes_of_state_are_told_with_their_reason() -> None:
    closed, open_ = Breaker(), opened()
    assert changed(closed, closed) is None
    event = changed(closed, open_)
    assert event is not None
    assert (event.before, event.after, event.reason) == (BreakerState.CLOSED, BreakerState.OPEN, "overloaded")


def test_the_answer_to_a_report_never_is_a_trial() -> None:
    breaker = tick(opened(), 60.0, POLICY)
    assert isinstance(standing(breaker, 60.0, POLICY), Refusal)


def test_a_stored_row_brings_an_open_breaker_back_with_the_time_it_has_left() -> None:
    row = to_row(opened(now=100.0), now=110.0, wall=WALL)
    assert (row.state, row.opened_at, row.retry_at) == ("open", WALL - 10, WALL + 50)
    back = from_row(row, now=5.0, wall=WALL + 20, policy=POLICY)
    assert back.state is BreakerState.OPEN
    assert back.retry_at == pytest.approx(35.0)


def test_a_wall_clock_set_back_an_hour_keeps_it_open_no_longer_than_its_rule() -> None:
    row = to_row(opened(), now=0.0, wall=WALL)
    back = from_row(row, now=0.0, wall=WALL - 3600, policy=POLICY)
    assert back.retry_at is not None
    assert back.retry_at <= POLICY.open_s


def test_a_stored_row_remembers_failures_of_a_closed_breaker() -> None:
    breaker = Breaker()
    for _ in range(4):
        breaker = record(breaker, Failed(0, "boom"), 0.0, POLICY)
    back = from_row(to_row(breaker, 0.0, WALL), 0.0, WALL, POLICY)
    assert record(back, Failed(7, "boom"), 1.0, POLICY).state is BreakerState.OPEN


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, float]]:
    return draw(
        st.lists(st.tuples(st.sampled_from(["permit", "fail", "succeed", "lose"]), st.floats(0, 40)), max_size=80)
    )


@given(histories())
def test_whatever_happens_it_lets_a_call_pass_again_once_its_times_are_over(history: list[tuple[str, float]]) -> None:
    breaker, now = Breaker(), 0.0
    held: list[Lease | TrialPermit] = []
    for what, wait in history:
        now += wait
        if what == "permit":
            breaker, permission = permit(breaker, now, POLICY)
            if not isinstance(permission, Refusal):
                held.append(permission)
        elif held:
            permission = held.pop()
            trial_id = permission.trial_id if isinstance(permission, TrialPermit) else None
            if what == "fail":
                breaker = record(breaker, Failed(permission.epoch, "boom", trial_id), now, POLICY)
            elif what == "succeed":
                breaker = record(breaker, Succeeded(permission.epoch, trial_id), now, POLICY)
        assert len(breaker.trials) <= POLICY.trial_permits
        assert (breaker.state is BreakerState.CLOSED) or breaker.retry_at is not None
        assert breaker.state is not BreakerState.CLOSED or breaker.consecutive_failures < POLICY.failure_threshold
    _, permission = permit(breaker, now + POLICY.open_s + POLICY.trial_s, POLICY)
    assert not isinstance(permission, Refusal)


@given(st.integers(0, 4), st.floats(0, 1e6), st.floats(1.6e9, 2e9))
def test_a_row_survives_the_way_to_the_store_and_back(failures: int, now: float, wall: float) -> None:
    breaker = Breaker()
    for _ in range(failures):
        breaker = record(breaker, Failed(0, "boom"), now, POLICY)
    row = to_row(breaker, now, wall)
    assert to_row(from_row(row, now, wall, POLICY), now, wall) == row


def test_a_trial_that_is_withdrawn_leaves_its_permit_and_counts_neither_way() -> None:
    breaker, first = trial(opened(), POLICY.open_s)
    for _ in range(POLICY.trial_permits - 1):
        breaker, _ = trial(breaker, POLICY.open_s)
    assert isinstance(permit(breaker, POLICY.open_s, POLICY)[1], Refusal)
    breaker = record(breaker, Withdrawn(first.epoch, first.trial_id), POLICY.open_s, POLICY)
    assert (breaker.state, breaker.trials_succeeded) == (BreakerState.HALF_OPEN, 0)
    breaker, again = trial(breaker, POLICY.open_s)
    assert record(breaker, Succeeded(first.epoch, first.trial_id), POLICY.open_s, POLICY) == breaker
    assert record(breaker, Succeeded(again.epoch, again.trial_id), POLICY.open_s, POLICY).trials_succeeded == 1
