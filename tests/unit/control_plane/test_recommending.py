"""Recommendations: by the lower bound, with what is old counting less, and the same from the same."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.control_plane.model import Attempt, How
from aragora.control_plane.recommending import (
    HALF_LIFE_S,
    Recommendation,
    beta_below,
    beta_quantile,
    concerns,
    recommend,
)

NOW = 1e9


def attempts(agent: str, good: int, bad: int = 0, *, latency_ms: float = 100.0, at: float = NOW) -> list[Attempt]:
    def one(number: int, how: How) -> Attempt:
        return Attempt(f"{agent}-{number}", 1, "org", "default", "debate", ("talk",), agent, how, at, latency_ms)

    return [one(number, How.COMPLETED if number < good else How.FAILED) for number in range(good + bad)]


def order(found: list[Recommendation]) -> list[str]:
    return [one.agent_id for one in found]


# The bounds of Beta(1, 1) and Beta(2, 1) in closed form: x and x².
@pytest.mark.parametrize(("share", "a", "b", "value"), [(0.05, 1, 1, 0.05), (0.05, 2, 1, 0.05**0.5), (0.5, 7, 7, 0.5)])
def test_quantiles_that_are_known(share: float, a: float, b: float, value: float) -> None:
    assert beta_quantile(share, a, b) == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize("n", [10, 200])
def test_a_beta_of_whole_numbers_is_a_sum_of_binomials(n: int) -> None:
    from math import comb

    for a in (1, n // 3, n - 1):
        for x in (0.1, 0.37, 0.9):
            exact = sum(comb(n, k) * x**k * (1 - x) ** (n - k) for k in range(a, n + 1))
            assert beta_below(x, a, n - a + 1) == pytest.approx(exact, rel=1e-8, abs=1e-12)


@given(st.floats(1, 1e5), st.floats(1, 1e5), st.floats(0.01, 0.99))
def test_a_quantile_is_the_way_back(a: float, b: float, share: float) -> None:
    assert beta_below(beta_quantile(share, a, b), a, b) == pytest.approx(share, abs=1e-5)


def test_one_of_one_does_not_beat_900_of_1000() -> None:
    found = recommend([*attempts("new", 1), *attempts("old", 900, 100)], NOW)
    assert order(found) == ["old", "new"]
    assert (found[0].successes, found[0].trials) == (900, 1_000)
    assert found[0].mean == pytest.approx(901 / 1_002)
    assert found[0].low < 0.9 < found[0].high
    assert found[1].low == pytest.approx(0.05**0.5)


def test_an_agent_that_never_tried_is_neither_first_nor_left_out() -> None:
    assert order(recommend(attempts("good", 3), NOW, also=("new",))) == ["good", "new"]
    assert order(recommend(attempts("bad", 0, 9), NOW, also=("new",))) == ["bad", "new"]
    both = [*attempts("good", 3), *attempts("bad", 0, 9)]
    assert order(recommend(both, NOW, also=("new", "good"))) == ["good", "new", "bad"]
    (only,) = recommend([], NOW, also=("new",))
    assert (only.trials, only.mean, only.latency_ms, only.last_seen) == (0, 0.5, None, None)


def test_equals_are_ordered_by_latency_and_then_by_name() -> None:
    found = [*attempts("c", 5), *attempts("b", 5, latency_ms=50.0), *attempts("a", 5)]
    assert order(recommend(found, NOW)) == ["b", "a", "c"]


def test_what_is_old_counts_less() -> None:
    (fresh,) = recommend(attempts("ann", 100), NOW)
    (aged,) = recommend(attempts("ann", 100, at=NOW - HALF_LIFE_S), NOW)
    (half,) = recommend(attempts("ann", 50), NOW)
    assert aged.low == pytest.approx(half.low)
    assert aged.low < fresh.low
    assert aged.trials == 100


def test_a_lapse_is_a_failure_and_what_was_taken_away_says_nothing() -> None:
    def as_it(how: How) -> list[Attempt]:
        return [Attempt("t", 1, "org", "default", "debate", (), "ann", how, NOW, 1.0)]

    (lapsed,) = recommend(as_it(How.LAPSED), NOW)
    assert (lapsed.successes, lapsed.trials) == (0, 1)
    assert recommend(as_it(How.CANCELLED), NOW) == []


def test_a_word_is_a_type_of_task_or_a_capability() -> None:
    (attempt,) = attempts("ann", 1)
    assert [concerns(attempt, word) for word in ("debate", "talk", "other")] == [True, True, False]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(How), st.floats(0, 1e7)), max_size=40), st.randoms())
def test_the_order_in_which_attempts_come_does_not_matter(
    told: list[tuple[str, How, float]], shuffle: random.Random
) -> None:
    found = [
        Attempt(str(n), 1, "org", "default", "debate", (), agent, how, NOW - age, age, cost_usd=age / 3)
        for n, (agent, how, age) in enumerate(told)
    ]
    mixed = list(found)
    shuffle.shuffle(mixed)
    assert recommend(found, NOW) == recommend(mixed, NOW)
