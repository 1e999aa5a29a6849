from __future__ import annotations

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.debate.model import AskKind, RoundStarted, Usage, VoteCast
from aragora.ranking.calibration import Calibration, Forecast, forecasts_of

FORECASTS = st.lists(st.builds(Forecast, st.just("a"), st.floats(0, 1), st.booleans()), min_size=1)


def record_of(forecasts: list[Forecast]) -> Calibration:
    return reduce(Calibration.after, forecasts, Calibration())


def vote(agent: str, choice: str, confidence: float) -> VoteCast:
    return VoteCast(1, agent, "ask", AskKind.VOTE, choice, confidence, "", (), Usage("p", "m"))


def test_without_a_known_outcome_there_is_no_calibration() -> None:
    assert Calibration().brier is None
    assert Calibration().value is None


@pytest.mark.parametrize(
    ("confidence", "right", "brier"), [(1.0, True, 0.0), (1.0, False, 1.0), (0.5, True, 0.25), (7.0, True, 0.0)]
)
def test_the_brier_score_is_the_squared_distance_from_the_truth(confidence: float, right: bool, brier: float) -> None:
    assert Calibration().after(Forecast("a", confidence, right)).brier == brier


@given(FORECASTS)
def test_the_record_gives_the_mean_of_all_forecasts(forecasts: list[Forecast]) -> None:
    mean = sum((one.confidence - one.right) ** 2 for one in forecasts) / len(forecasts)
    assert record_of(forecasts).brier == pytest.approx(mean)
    assert record_of(forecasts).value == pytest.approx(1.0 - mean)


def test_the_last_vote_of_each_agent_is_its_forecast() -> None:
    events = [RoundStarted(1, ("a", "b")), vote("a", "b", 0.2), vote("b", "b", 0.9), vote("a", "a", 0.6)]
    assert set(forecasts_of(events, {"b"})) == {Forecast("a", 0.6, right=False), Forecast("b", 0.9, right=True)}


def test_a_vote_for_any_author_of_the_answer_that_held_was_right() -> None:
    events = [vote("a", "b", 0.2), vote("b", "c", 0.9), vote("c", "a", 0.6)]
    assert [one.right for one in forecasts_of(events, {"b", "c"})] == [True, True, False]


def test_where_no_answer_held_every_vote_was_wrong() -> None:
    assert [one.right for one in forecasts_of([vote("a", "b", 0.2), vote("b", "b", 0.9)], set())] == [False, False]
