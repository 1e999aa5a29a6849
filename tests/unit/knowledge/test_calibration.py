"""What outcomes say of voted confidences, law by law."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.knowledge.calibration import (
    OUTCOMES_MIN,
    SHRINK,
    Curve,
    Tried,
    calibrated,
    curve_of,
    wilson,
)

CONFIDENCES = st.one_of(st.floats(0, 1), st.integers(0, 10).map(lambda tenth: tenth / 10))
ONE = st.builds(lambda confidence, right: Tried(confidence, 1, int(right)), CONFIDENCES, st.booleans())
FEW = st.lists(ONE, max_size=OUTCOMES_MIN - 1)
ENOUGH = st.lists(ONE, min_size=OUTCOMES_MIN, max_size=120)
NONE = curve_of(())


def decisions(confidence: float, outcomes: int, right: int) -> Tried:
    return Tried(confidence, outcomes, right)


# --- laws ---------------------------------------------------------------------------------------------------


@given(ENOUGH, st.lists(ONE, max_size=60), CONFIDENCES, CONFIDENCES)
def test_more_votes_never_mean_less(own: list[Tried], others: list[Tried], one: float, other: float) -> None:
    curve = curve_of(own, curve_of([*own, *others]))
    low, high = sorted((one, other))
    assert calibrated(low, curve) <= calibrated(high, curve)


@given(st.one_of(FEW, ENOUGH), st.lists(ONE, max_size=60), st.floats(allow_nan=False))
def test_what_a_confidence_is_worth_lies_between_0_and_1(
    own: list[Tried], others: list[Tried], confidence: float
) -> None:
    assert 0.0 <= calibrated(confidence, curve_of(own, curve_of([*own, *others]))) <= 1.0


@given(st.one_of(FEW, ENOUGH), st.randoms(use_true_random=False), CONFIDENCES)
def test_the_order_in_which_outcomes_are_told_changes_nothing(own: list[Tried], random: object, at: float) -> None:
    shuffled = list(own)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert curve_of(shuffled) == curve_of(own)
    assert calibrated(at, curve_of(shuffled)) == calibrated(at, curve_of(own))


@given(ENOUGH)
def test_how_outcomes_are_grouped_changes_nothing(own: list[Tried]) -> None:
    counts: dict[float, list[int]] = {}
    for one in own:
        counts.setdefault(one.confidence, []).append(one.right)
    assert curve_of(Tried(at, len(right), sum(right)) for at, right in counts.items()) == curve_of(own)


@given(FEW, st.lists(ONE, min_size=OUTCOMES_MIN, max_size=60), CONFIDENCES)
def test_a_curve_that_is_not_calibrated_changes_nothing(own: list[Tried], others: list[Tried], at: float) -> None:
    curve = curve_of(own, curve_of([*own, *others]))
    assert not curve.calibrated
    assert calibrated(at, curve) == at


@given(ENOUGH, CONFIDENCES)
def test_the_fit_moves_a_confidence_by_no_more_than_its_share(own: list[Tried], at: float) -> None:
    share = len(own) / (len(own) + SHRINK)
    assert abs(calibrated(at, curve_of(own)) - at) <= share + 1e-12


@given(ENOUGH)
def test_the_steps_of_the_fit_rise_and_hold_all_outcomes(own: list[Tried]) -> None:
    steps = curve_of(own).steps
    assert all(before.rate < after.rate for before, after in itertools.pairwise(steps))
    assert all(before.high < after.low for before, after in itertools.pairwise(steps))
    right = sum(
        step.rate * sum(one.outcomes for one in own if step.low <= one.confidence <= step.high) for step in steps
    )
    assert right == pytest.approx(sum(one.right for one in own))


@given(ENOUGH)
def test_the_fit_is_the_best_of_the_rising_ones(own: list[Tried]) -> None:
    """Its squared error is not above that of the voted confidence, nor of the mean rate: both rise too."""
    curve = curve_of(own)
    mean = curve.right / curve.outcomes

    def error(rate_at: dict[float, float]) -> float:
        return sum((rate_at[one.confidence] - one.right) ** 2 for one in own)

    fitted = {
        one.confidence: next(step.rate for step in curve.steps if step.low <= one.confidence <= step.high)
        for one in own
    }
    assert error(fitted) <= error({at: at for at in fitted}) + 1e-9
    assert error(fitted) <= error(dict.fromkeys(fitted, mean)) + 1e-9


@given(ENOUGH)
def test_the_brier_score_is_the_sum_of_its_parts(own: list[Tried]) -> None:
    brier = curve_of(own).brier
    assert brier is not None
    assert brier.score == pytest.approx(sum((one.confidence - one.right) ** 2 for one in own) / len(own), abs=1e-12)
    parts = brier.reliability - brier.resolution + brier.uncertainty + brier.within_bins
    assert parts == pytest.approx(brier.score, abs=1e-12)


@given(st.integers(0, 400), st.integers(0, 400))
def test_the_interval_of_a_rate_holds_the_rate_and_narrows(right: int, wrong: int) -> None:
    outcomes = right + wrong
    low, high = wilson(right, outcomes)
    assert 0.0 <= low <= high <= 1.0
    if outcomes:
        assert low <= right / outcomes <= high
        wider = wilson(right * 10, outcomes * 10)
        assert wider[1] - wider[0] < high - low


# --- cases --------------------------------------------------------------------------------------------------


def test_without_an_outcome_there_is_no_score_and_no_curve() -> None:
    assert (NONE.brier, NONE.bins, NONE.steps, NONE.calibrated) == (None, (), (), False)
    assert calibrated(0.8, NONE) == 0.8


@pytest.mark.parametrize(
    ("outcomes", "told"),
    [
        (0, "not calibrated: 20 more outcomes are needed"),
        (19, "not calibrated: 1 more outcome is needed"),
        (20, "calibrated on 20 outcomes"),
    ],
)
def test_a_curve_says_whether_it_counts_and_what_is_missing(outcomes: int, told: str) -> None:
    curve = curve_of([decisions(0.5, outcomes, 0)])
    assert (curve.told, curve.missing) == (told, max(0, 20 - outcomes))


def test_few_outcomes_count_half_at_twenty() -> None:
    curve = curve_of([decisions(0.9, 20, 10)])
    assert calibrated(0.9, curve) == pytest.approx(0.5 * 0.5 + 0.5 * 0.9)


def test_many_outcomes_count_almost_alone() -> None:
    curve = curve_of([decisions(0.9, 20_000, 12_000)])
    assert calibrated(0.9, curve) == pytest.approx(0.6, abs=0.001)


def test_a_young_curve_leans_on_that_of_its_organisation() -> None:
    organisation = curve_of([decisions(0.9, 2_000, 1_000)])
    alone = curve_of([decisions(0.9, 20, 18)])
    leaning = curve_of([decisions(0.9, 20, 18)], organisation)
    assert calibrated(0.9, alone) == pytest.approx(0.9)
    assert calibrated(0.9, leaning) == pytest.approx(0.5 * 0.9 + 0.5 * 0.504, abs=0.001)


def test_between_two_seen_confidences_the_fit_is_straight() -> None:
    curve = curve_of([decisions(0.4, 1_000_000, 200_000), decisions(0.8, 1_000_000, 600_000)])
    assert calibrated(0.6, curve) == pytest.approx(0.4, abs=0.001)
    assert calibrated(1.0, curve) == pytest.approx(0.6, abs=0.001)
    assert calibrated(0.0, curve) == pytest.approx(0.2, abs=0.001)


def test_a_fall_is_pooled() -> None:
    curve = curve_of([decisions(0.5, 10, 8), decisions(0.7, 10, 4), decisions(0.9, 10, 9)])
    assert [(step.low, step.high, step.rate) for step in curve.steps] == [(0.5, 0.7, 0.6), (0.9, 0.9, 0.9)]


def test_bins_tell_what_lies_in_them_and_the_last_one_has_1() -> None:
    curve = curve_of([decisions(0.05, 2, 1), decisions(0.95, 3, 3), decisions(1.0, 1, 0)])
    assert [(one.low, one.high, one.outcomes, one.right) for one in curve.bins] == [(0.0, 0.1, 2, 1), (0.9, 1.0, 4, 3)]
    assert curve.bins[1].confidence == pytest.approx((3 * 0.95 + 1.0) / 4)


@pytest.mark.parametrize(
    ("confidence", "outcomes", "right"), [(0.5, 1, 2), (0.5, 1, -1), (float("nan"), 1, 1), (float("inf"), 1, 1)]
)
def test_what_is_no_count_is_refused(confidence: float, outcomes: int, right: int) -> None:
    with pytest.raises(ValueError, match="no count"):
        Tried(confidence, outcomes, right)


@given(ENOUGH, CONFIDENCES)
def test_equal_outcomes_give_equal_answers(own: list[Tried], at: float) -> None:
    one: Curve = curve_of(own)
    assert calibrated(at, one) == calibrated(at, curve_of(list(own)))
