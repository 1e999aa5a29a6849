from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.debate.model import START_ELO, ConsensusMode, Decision, Signature, Tally, Verdict
from aragora.ranking.elo import K, expected, updates, wins

RATING = st.floats(0, 4000)
WEIGHT = st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 3.0])
DEBATES = st.dictionaries(st.text("abcdefgh", min_size=1, max_size=2), st.tuples(RATING, WEIGHT), max_size=8)


def decision_of(weights: dict[str, float], winner: str | None = None, *, reached: bool = True) -> Decision:
    return Decision(
        reached=reached,
        answer="yes",
        winner=winner,
        confidence=0.7,
        mode=ConsensusMode.MAJORITY,
        tallies=tuple(Tally(agent, int(weight), weight) for agent, weight in weights.items()),
        dissent=(),
        rounds=1,
        cost_usd=0.0,
    )


def test_of_two_equals_the_winner_takes_half_of_k() -> None:
    assert updates({}, decision_of({"a": 2, "b": 1})) == {"a": K / 2, "b": -K / 2}


def test_beating_a_stronger_agent_gains_more_than_beating_a_weaker_one() -> None:
    ratings = {"strong": 1700.0, "weak": 1300.0}
    upset = updates(ratings, decision_of({"weak": 1, "strong": 0}))["weak"]
    routine = updates(ratings, decision_of({"weak": 0, "strong": 1}))["strong"]
    assert upset == pytest.approx(K * 10 / 11)
    assert routine == pytest.approx(K * 1 / 11)


def test_equal_votes_are_a_draw_that_moves_equals_nowhere() -> None:
    assert updates({"a": START_ELO, "b": START_ELO}, decision_of({"a": 1, "b": 1})) == {"a": 0.0, "b": 0.0}


@pytest.mark.parametrize("weights", [{}, {"a": 3.0}, {"a": 0.0, "b": 0.0}])
def test_what_was_not_contested_changes_nothing(weights: dict[str, float]) -> None:
    assert updates({}, decision_of(weights)) == {}
    assert wins(decision_of(weights, "a")) == {}


@given(DEBATES)
def test_ratings_are_zero_sum_and_nobody_moves_by_more_than_k(debate: dict[str, tuple[float, float]]) -> None:
    ratings = {agent: rating for agent, (rating, _) in debate.items()}
    deltas = updates(ratings, decision_of({agent: weight for agent, (_, weight) in debate.items()}))
    assert sum(deltas.values()) == pytest.approx(0.0, abs=1e-9)
    assert all(abs(delta) <= K + 1e-9 for delta in deltas.values())


@given(DEBATES, st.randoms())
def test_the_order_of_the_tallies_does_not_matter(debate: dict[str, tuple[float, float]], random: object) -> None:
    ratings = {agent: rating for agent, (rating, _) in debate.items()}
    weights = {agent: weight for agent, (_, weight) in debate.items()}
    turned = updates(ratings, decision_of(dict(reversed(weights.items()))))
    assert turned == pytest.approx(updates(ratings, decision_of(weights)), abs=1e-9)


@given(RATING, RATING)
def test_the_expected_scores_of_a_game_add_up_to_one(one: float, other: float) -> None:
    assert expected(one, other) + expected(other, one) == pytest.approx(1.0)


@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=1), WEIGHT, min_size=2))
def test_a_decided_contest_hands_out_one_win(weights: dict[str, float]) -> None:
    won = wins(decision_of(weights))
    assert sum(won.values()) == pytest.approx(1.0 if any(weights.values()) else 0.0)
    assert all(weights[agent] == max(weights.values()) for agent in won)


def test_the_decisions_winner_has_the_win_also_against_the_weights() -> None:
    assert wins(decision_of({"a": 1, "b": 1}, "b")) == {"b": 1.0}


def test_a_missed_threshold_has_no_winner_but_moves_ratings() -> None:
    missed = decision_of({"a": 2, "b": 1}, "a", reached=False)
    assert wins(missed) == {}
    assert updates({}, missed)["a"] > 0


def test_authors_of_one_position_draw_with_each_other_and_share_its_win() -> None:
    decision = Decision(
        reached=True,
        answer="yes",
        winner="ann",
        confidence=0.7,
        mode=ConsensusMode.MAJORITY,
        tallies=(Tally("ann", 2, 2.0, (), "yes", ("ann", "cid")), Tally("bob", 1, 1.0, (), "no", ("bob",))),
        dissent=(),
        rounds=1,
        cost_usd=0.0,
    )
    deltas = updates({}, decision)
    assert deltas["ann"] == deltas["cid"] > 0
    assert deltas["bob"] == pytest.approx(-2 * deltas["ann"])
    assert wins(decision) == {"ann": 0.5, "cid": 0.5}


def test_nobody_wins_where_a_person_put_other_words_in_place_of_all_answers() -> None:
    changed = Signature("role:owner", "ann", Verdict.CHANGE)
    overruled = replace(decision_of({"a": 2, "b": 1}), signatures=(changed,))
    assert wins(overruled) == {}
    assert updates({}, overruled)["a"] > 0, "the votes were given all the same"
    assert wins(replace(overruled, winner="a")) == {"a": 1.0}, "the change was for the option that won"
