from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aragora.resilience.budget import RetryBudget


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
