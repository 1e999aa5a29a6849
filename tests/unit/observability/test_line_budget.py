"""A flood of one kind of line is cut to a trickle, and what was left out is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.observability.line_budget import BURST, SELDOM_BURST, SELDOM_PER_S, LineBudget, LineBudgets


def test_a_burst_passes_and_then_a_few_lines_a_second() -> None:
    budget = LineBudget(per_s=2.0, burst=5.0)
    assert [budget.take(100.0) for _ in range(8)] == [{}] * 5 + [None] * 3
    assert budget.take(100.5) == {"left_out": 3}
    assert budget.take(100.6) is None
    assert budget.take(200.0) == {"left_out": 1}


@given(st.lists(st.floats(0.0, 10.0), max_size=300), st.floats(0.1, 50.0), st.floats(1.0, 20.0))
def test_lines_never_exceed_the_budget_and_every_line_is_told_or_counted(
    pauses: list[float], per_s: float, burst: float
) -> None:
    budget, now, passed, told = LineBudget(per_s, burst), 0.0, 0, 0
    for pause in pauses:
        now += pause
        fields = budget.take(now)
        if fields is not None:
            passed += 1
            told += fields.get("left_out", 0)
    assert passed <= burst + per_s * now + 1e-6
    rest = budget.take(now + 1e9)
    assert rest is not None
    assert passed + told + rest.get("left_out", 0) == len(pauses)


def test_a_flood_of_one_kind_leaves_the_others_their_lines() -> None:
    budgets = LineBudgets()
    passed = [budgets.take("polls", 0.0) for _ in range(500)]
    assert passed.count({}) == BURST
    assert budgets.take("refusals", 0.0) == {}
    assert budgets.take("polls", 10.0) == {"left_out": 500 - BURST}


def test_a_fault_that_repeats_a_thousand_times_a_second_is_few_lines_that_tell_how_often() -> None:
    seldom, minutes = LineBudget.seldom(), 10
    lines = [fields for number in range(minutes * 60_000) if (fields := seldom.take(number / 1000)) is not None]
    assert len(lines) <= SELDOM_BURST + minutes * 60.0 * SELDOM_PER_S
    assert lines[-1]["left_out"] == pytest.approx(1000.0 / SELDOM_PER_S, abs=2)
