from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.knowledge.search.ranking import (
    LEAST_FACTOR,
    Score,
    alike_tokens,
    alike_vectors,
    by_total,
    decay,
    diversified,
    doubt,
    fused,
    weighed,
)

keys = st.text("abcdef", min_size=1, max_size=2)
lists = st.dictionaries(st.sampled_from(["lexical", "semantic", "links"]), st.lists(keys, max_size=12), min_size=1)


@given(lists)
def test_every_hit_comes_once_with_its_places_and_a_score_up_to_1(given_lists: dict[str, list[str]]) -> None:
    scores = fused(given_lists)
    assert sorted(score.key for score in scores) == sorted({key for keys_ in given_lists.values() for key in keys_})
    for score in scores:
        assert 0.0 < score.fused <= 1.0 + 1e-12
        for name, place in score.places.items():
            assert list(dict.fromkeys(given_lists[name]))[place - 1] == score.key


@given(lists)
def test_a_hit_that_is_no_worse_in_any_list_is_no_worse_in_all(given_lists: dict[str, list[str]]) -> None:
    scores = fused(given_lists)
    for one in scores:
        for other in scores:
            never = math.inf
            if all(one.places.get(name, never) <= other.places.get(name, never) for name in given_lists):
                assert one.fused >= other.fused - 1e-12


def test_the_first_of_every_list_scores_1_and_stands_first() -> None:
    first, *_ = fused({"lexical": ["b", "a"], "semantic": ["b", "c"]})
    assert (first.key, first.fused) == ("b", 1.0)


def test_equal_scores_stand_in_one_order_whatever_order_the_lists_come_in() -> None:
    one = fused({"lexical": ["b"], "semantic": ["a"]})
    other = fused({"semantic": ["a"], "lexical": ["b"]})
    assert [score.key for score in one] == [score.key for score in other] == ["a", "b"]


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_doubt_takes_half_at_the_most_whatever_the_confidence(confidence: float) -> None:
    assert LEAST_FACTOR <= doubt(confidence) <= 1.0


@given(st.floats(-1e12, 1e12), st.none() | st.floats(-10, 1e4))
def test_age_takes_half_at_the_most_and_a_future_date_gives_nothing(age_s: float, half_life_days: float | None) -> None:
    assert LEAST_FACTOR <= decay(age_s, half_life_days) <= 1.0
    assert decay(-abs(age_s), half_life_days) == 1.0


def test_a_half_life_takes_half_of_what_age_can_take() -> None:
    assert decay(90 * 86_400, 90) == pytest.approx(LEAST_FACTOR + (1 - LEAST_FACTOR) / 2)
    assert decay(1e12, None) == 1.0


def test_factors_change_the_order_and_are_told() -> None:
    young, old = (Score("young", {"semantic": 2}, 0.5), Score("old", {"semantic": 1}, 0.52))
    scores = by_total(
        [
            weighed(old, confidence=0.5, age_s=1e9, half_life_days=30),
            weighed(young, confidence=1.0, age_s=0, half_life_days=30),
        ]
    )
    assert [score.key for score in scores] == ["young", "old"]
    assert scores[1].total == pytest.approx(0.52 * 0.75 * scores[1].decay)


@given(
    st.lists(st.tuples(keys, st.floats(0.001, 1.0)), max_size=20, unique_by=lambda pair: pair[0]), st.integers(0, 25)
)
def test_diversity_chooses_k_of_the_hits_once_each_and_begins_with_the_best(
    pairs: list[tuple[str, float]], k: int
) -> None:
    scores = by_total([Score(key, {}, worth) for key, worth in pairs])
    chosen = diversified(scores, k, lambda one, other: float(one[0] == other[0]))
    assert len(chosen) == min(k, len(scores))
    assert len({score.key for score in chosen}) == len(chosen)
    assert not chosen or chosen[0].key == scores[0].key


def test_of_hits_that_say_the_same_the_second_stands_behind_another() -> None:
    scores = [Score("a", {}, 1.0), Score("a again", {}, 0.99), Score("b", {}, 0.8)]
    chosen = diversified(scores, 3, lambda one, other: float(one[0] == other[0]))
    assert [score.key for score in chosen] == ["a", "b", "a again"]
    assert [score.likeness for score in chosen] == [0.0, 0.0, 1.0]


@given(st.lists(keys, max_size=10, unique=True))
def test_without_likeness_the_order_stays(order: list[str]) -> None:
    scores = by_total([Score(key, {}, 1.0 / (place + 1)) for place, key in enumerate(order)])
    assert [score.key for score in diversified(scores, 10, lambda one, other: 0.0)] == order


def test_vectors_are_alike_above_what_unrelated_texts_have() -> None:
    one, other = np.array([1.0, 0.0], np.float32), np.array([0.8, 0.6], np.float32)
    assert alike_vectors(one, other, floor=0.8) == pytest.approx(0.0, abs=1e-6)
    assert alike_vectors(one, other) == pytest.approx(0.8)
    assert alike_vectors(one, one, floor=0.8) == pytest.approx(1.0)
    assert alike_vectors(one, -one) == 0.0
    assert alike_vectors(one, one, floor=1.0) == 0.0


def test_texts_are_alike_by_the_share_of_tokens_that_both_have() -> None:
    assert alike_tokens(frozenset("abc"), frozenset("bcd")) == 0.5
    assert alike_tokens(frozenset(), frozenset()) == 0.0


def test_a_place_in_a_list_may_count_for_less() -> None:
    lists = {"words": ["a", "b"], "meaning": ["b", "a"]}
    assert [score.key for score in fused(lists, counts=lambda name, _: 0.5 if name == "words" else 1.0)] == ["b", "a"]
    assert [score.key for score in fused(lists, counts=lambda name, _: 1.0 if name == "words" else 0.5)] == ["a", "b"]
    (only, _) = fused({"words": ["a", "b"], "meaning": []}, counts=lambda _, key: 0.25 if key == "a" else 0.1)
    assert only.key == "a"
    assert only.fused == pytest.approx(0.125)
