"""When jobs are due, and what follows from a run: rules over plain values."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.scheduling import (
    DIED,
    MAX_TEXT_CHARS,
    RETRY_AT_LEAST_S,
    JobState,
    begun,
    due,
    failed,
    stopped,
    succeeded,
    taken_over,
)

DAY = 86_400.0
NOW = 1_000_000.0
HALF = 0.5


def job(name: str = "prune", next_run: float = NOW, **remembered: object) -> JobState:
    return replace(JobState(name, next_run), **remembered)


def test_jobs_whose_time_has_come_are_due_and_the_longest_overdue_comes_first() -> None:
    states = [job("later", NOW + 1), job("now", NOW), job("overdue", NOW - 5), job("runs", NOW - 9, started_at=NOW - 1)]
    assert due(states, NOW) == ["overdue", "now"]


def test_a_job_that_runs_is_not_due_however_long_it_takes() -> None:
    claim = begun(job(), DAY, NOW, HALF)
    assert claim.started_at == NOW
    assert due([claim], NOW + 10 * DAY) == []


def test_after_a_success_the_next_run_is_an_interval_after_the_start_and_failures_are_forgotten() -> None:
    claim = begun(job(failures=3, last_error="disk full", runs=7), DAY, NOW, HALF)
    state = succeeded(claim, DAY, NOW + 60, "forgot 12 rows")
    assert state == job(next_run=NOW + DAY, last_run=NOW, runs=8, last_result="forgot 12 rows")


def test_a_run_longer_than_its_interval_is_followed_by_the_next_at_once() -> None:
    state = succeeded(begun(job(), 60.0, NOW, HALF), 60.0, NOW + 300, "")
    assert state.next_run == NOW + 300


def test_runs_missed_while_the_server_was_down_are_made_up_once() -> None:
    found = taken_over(job(next_run=NOW - 9.5 * DAY), DAY, NOW)
    assert due([found], NOW) == ["prune"]
    after = succeeded(begun(found, DAY, NOW, HALF), DAY, NOW + 1, "")
    assert due([after], NOW + 1) == []
    assert after.next_run == NOW + DAY


def test_pauses_after_failures_grow_from_half_a_minute_to_an_hour_and_are_never_longer_than_the_interval() -> None:
    state, pauses = job(), []
    for _ in range(8):
        state = failed(begun(state, DAY, NOW, HALF), DAY, NOW, HALF, "disk full")
        pauses.append(state.next_run - NOW)
    assert pauses == [60.0, 90.0, 150.0, 270.0, 510.0, 990.0, 1830.0, 1830.0]
    assert (state.failures, state.runs, state.last_error) == (8, 8, "disk full")
    assert failed(state, 5.0, NOW, HALF, "disk full").next_run == NOW + 5.0


def test_the_last_result_stays_when_a_later_run_fails() -> None:
    good = succeeded(begun(job(), DAY, NOW, HALF), DAY, NOW, "forgot 12 rows")
    bad = failed(begun(good, DAY, NOW, HALF), DAY, NOW, HALF, "disk full")
    assert (bad.last_result, bad.last_error) == ("forgot 12 rows", "disk full")


def test_texts_are_bounded() -> None:
    claim = begun(job(), DAY, NOW, HALF)
    assert len(failed(claim, DAY, NOW, HALF, "x" * 9_999).last_error or "") == MAX_TEXT_CHARS
    assert len(succeeded(claim, DAY, NOW, "x" * 9_999).last_result or "") == MAX_TEXT_CHARS


@pytest.mark.parametrize(("said", "kept"), [("a\0b", "a?b"), ("a\ud800b", "a?b"), ("é\U0001f600", "é\U0001f600")])
def test_texts_are_kept_as_every_database_can_hold_them(said: str, kept: str) -> None:
    claim = begun(job(), DAY, NOW, HALF)
    assert failed(claim, DAY, NOW, HALF, said).last_error == kept
    assert succeeded(claim, DAY, NOW, said).last_result == kept


def test_a_run_whose_process_died_counts_as_failed_and_waits_for_the_pause_of_its_claim() -> None:
    claim = begun(job(failures=1), DAY, NOW, HALF)
    found = taken_over(claim, DAY, NOW + 5)
    assert (found.started_at, found.failures, found.last_error) == (None, 2, DIED)
    assert found.next_run == claim.next_run == NOW + 90.0
    assert due([found], NOW + 5) == []


def test_a_run_that_a_drain_cut_off_is_due_at_the_next_start_without_counting_as_a_failure() -> None:
    state = stopped(begun(job(), DAY, NOW, HALF), NOW + 5)
    assert due([taken_over(state, DAY, NOW + 60)], NOW + 60) == ["prune"]
    assert (state.failures, state.last_error) == (0, None)


@pytest.mark.parametrize("ahead", [2 * DAY, 400 * DAY])
def test_a_next_run_further_ahead_than_the_interval_is_brought_nearer(ahead: float) -> None:
    assert taken_over(job(next_run=NOW + ahead), DAY, NOW).next_run == NOW + DAY


def test_taking_over_a_job_at_rest_changes_nothing() -> None:
    assert taken_over(job(next_run=NOW + 5, runs=3), DAY, NOW) == job(next_run=NOW + 5, runs=3)


@given(st.integers(0, 1_000), st.floats(0, 1, exclude_max=True), st.floats(RETRY_AT_LEAST_S, 365 * DAY))
def test_a_job_that_fails_is_tried_again_after_half_a_minute_at_the_earliest_and_an_interval_at_the_latest(
    failures: int, draw: float, interval_s: float
) -> None:
    pause_s = failed(job(failures=failures, started_at=NOW), interval_s, NOW, draw, "").next_run - NOW
    assert RETRY_AT_LEAST_S - 0.001 <= pause_s <= interval_s + 0.001
