"""Backoff, Retry-After and the retry budget."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.resilience.backoff import Backoff, RetryBudget, parse_retry_after

draws = st.floats(0, 1, exclude_max=True)


@given(st.integers(1, 1000), draws)
def test_a_delay_never_exceeds_the_cap(attempt: int, draw: float) -> None:
    assert 0 <= Backoff().delay_s(attempt, draw) <= Backoff().cap_s


@given(st.integers(1, 20), draws, st.floats(0, 3600))
def test_a_delay_is_never_shorter_than_the_retry_after(attempt: int, draw: float, retry_after_s: float) -> None:
    assert Backoff().delay_s(attempt, draw, retry_after_s) >= retry_after_s


def test_the_ceiling_doubles_with_every_attempt() -> None:
    backoff = Backoff(base_s=1.0, cap_s=100.0)
    assert [backoff.delay_s(attempt, 0.5) for attempt in (1, 2, 3)] == [0.5, 1.0, 2.0]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("1.5", 1.5),
        ("-3", 0.0),
        ("Tue, 14 Nov 2023 22:13:30 GMT", 10.0),
        ("Tue, 14 Nov 2023 22:00:00 GMT", 0.0),
        ("soon", None),
        ("inf", None),
        ("nan", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header, wall=1_700_000_000.0) == seconds


@given(st.text(max_size=30))
def test_no_header_however_odd_raises(header: str) -> None:
    result = parse_retry_after(header, wall=1_700_000_000.0)
    assert result is None or result >= 0


def test_an_outage_is_retried_only_as_often_as_the_budget_saved() -> None:
    budget = RetryBudget(capacity=3)
    assert [budget.take() for _ in range(5)] == [True, True, True, False, False]


def test_ten_calls_earn_one_retry() -> None:
    budget = RetryBudget(capacity=1, deposit=0.125)
    assert budget.take()
    for _ in range(8):
        assert not budget.take()
        budget.called()
    assert budget.take()


@given(st.lists(st.booleans(), max_size=300))
def test_retries_never_exceed_the_capacity_plus_the_share_of_calls(steps: list[bool]) -> None:
    budget = RetryBudget(capacity=5, deposit=0.1)
    calls = retries = 0
    for call in steps:
        if call:
            calls += 1
            budget.called()
        else:
            retries += budget.take()
        assert retries <= 5 + 0.1 * calls + 1e-9
