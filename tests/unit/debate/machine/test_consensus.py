"""How votes become a decision."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, strategies
from worlds import debating

from aragora.debate import machine
from aragora.debate.machine.ballots import votes_of
from aragora.debate.machine.consensus import decide
from aragora.debate.machine.counting import Cast, count
from aragora.debate.machine.positions import positions_of
from aragora.debate.model import AskKind, ConsensusMode, DebateSpec, PersonVoted, Position, Protocol, Standing, VoteCast
from aragora.debate.protocol import preset

FOUR = ("claude", "gpt", "gemini", "grok")


def ballot(voter: str, choice: str, confidence: float = 0.8, **changes: Any) -> VoteCast:
    plain = VoteCast(1, voter, "id", AskKind.VOTE, choice, confidence, f"{voter}'s reason", (), debating.USAGE)
    return replace(plain, **changes)


def counted(votes: dict[str, str], mode: str = "majority", spec: DebateSpec | None = None) -> machine.DebateState:
    """A state at its count: each voter with its choice."""
    spec = spec or debating.spec_of(protocol=preset("ensemble", consensus=mode))
    state = machine.DebateState(spec=spec, participants=spec.agents, round=1, ballots_wanted=len(spec.agents))
    state.answers = {agent: debating.given(agent, f"answer of {agent}") for agent in spec.agents}
    state.ballots = {voter: ballot(voter, choice) for voter, choice in votes.items()}
    return state


THREE_TO_ONE = {"claude": "gpt", "gemini": "gpt", "grok": "gpt", "gpt": "claude"}
ALL_FOR_GPT = {"claude": "gpt", "gemini": "gpt", "grok": "gpt", "gpt": "gpt"}
TWO_TO_TWO = {"claude": "gpt", "gpt": "claude", "gemini": "grok", "grok": "gemini"}


@pytest.mark.parametrize(
    ("mode", "votes", "reached"),
    [
        ("majority", THREE_TO_ONE, True),
        ("majority", TWO_TO_TWO, False),
        ("supermajority", THREE_TO_ONE, True),
        ("supermajority", {**THREE_TO_ONE, "grok": "claude"}, False),
        ("unanimous", THREE_TO_ONE, False),
        ("unanimous", ALL_FOR_GPT, True),
        ("weighted", THREE_TO_ONE, True),
        ("none", THREE_TO_ONE, False),
    ],
)
def test_each_mode_has_its_threshold(mode: str, votes: dict[str, str], reached: bool) -> None:
    decision = decide(counted(votes, mode))
    assert decision.reached is reached
    assert decision.mode is ConsensusMode(mode)
    assert decision.explanation


def test_a_vote_for_oneself_weighs_half() -> None:
    decision = decide(counted(ALL_FOR_GPT))
    assert decision.tallies[0].weight == 3.5
    assert decision.tallies[0].votes == 4


def test_dissent_keeps_its_reason() -> None:
    (dissent,) = decide(counted(THREE_TO_ONE)).dissent
    assert (dissent.agent, dissent.choice, dissent.reason) == ("gpt", "claude", "gpt's reason")


def test_confidence_is_the_share_of_those_entitled_and_what_voters_say_of_themselves_stands_apart() -> None:
    decision = decide(counted(THREE_TO_ONE))
    assert (decision.confidence, decision.stated_confidence) == (0.75, 0.8)
    assert decision.support == "3 of 4 voted for it, 1 voted for another"


def test_who_does_not_vote_stands_behind_nobody() -> None:
    decision = decide(counted({"gpt": "claude", "gemini": "claude"}))
    assert (decision.confidence, decision.reached) == (0.5, False)
    assert decision.support == "2 of 4 voted for it, 2 did not vote"
    assert decision.participation is not None
    assert "voters" in decision.participation.degraded
    assert decision.headline.startswith("Degraded: half of the voters or more were missing.")


def test_a_better_rated_and_better_calibrated_voter_weighs_more_in_the_mode_weighted() -> None:
    spec = debating.spec_of(
        ("claude", "gpt"),
        preset("ensemble", consensus="weighted"),
        standings={"claude": Standing(1900.0, 0.9), "gpt": Standing(1100.0, 0.3)},
    )
    decision = decide(counted({"claude": "gpt", "gpt": "claude"}, spec=spec))
    assert (decision.winner, decision.reached) == ("gpt", True)
    expected = 0.8 * 0.9 * 2 * (10 / 11)
    assert decision.tallies[0].weight == pytest.approx(expected)


def test_a_tie_is_broken_by_votes_then_confidence_then_rating_then_order() -> None:
    state = counted(TWO_TO_TWO)
    assert "order in which the agents are listed" in decide(state).explanation
    assert decide(state).winner == "claude"
    state.spec = replace(state.spec, standings={"gpt": Standing(1600.0)})
    assert "rating of its spokesman" in decide(state).explanation
    assert decide(state).winner == "gpt"
    state.answers["grok"] = debating.given("grok", "surely", confidence=0.9)
    assert "confidence in the answer" in decide(state).explanation
    assert decide(state).winner == "grok"


def test_two_half_votes_lead_over_a_whole_one_of_equal_weight() -> None:
    spec = debating.spec_of(protocol=replace(preset("ensemble"), self_vote_weight=1.0))
    state = counted({"claude": "gpt"}, spec=spec)
    state.persons = {name: PersonVoted(1, name, "grok", 5) for name in ("ann", "bob")}
    assert decide(state).winner == "grok"
    assert "number of votes" in decide(state).explanation


def test_too_few_voters_decide_nothing() -> None:
    decision = decide(counted({"claude": "gpt"}))
    assert (decision.winner, decision.reached) == ("gpt", False)
    assert "Only 1 of 4 agents voted; 2 were needed." in decision.explanation


def test_without_votes_the_answers_count_and_the_result_is_degraded() -> None:
    state = counted({})
    state.answers["gemini"] = debating.given("gemini", "surely", confidence=0.9)
    decision = decide(state)
    assert (decision.winner, decision.reached, decision.confidence) == ("gemini", False, 0.25)
    assert "No vote arrived" in decision.explanation
    assert decision.participation is not None
    assert "votes" in decision.participation.degraded


def test_without_votes_and_positions_nobody_is_sure_of_anything() -> None:
    state = counted({}, spec=debating.spec_of(protocol=Protocol("own")))
    decision = decide(state)
    assert (decision.reached, decision.confidence) == (False, 0.0)


def test_votes_without_any_weight_are_no_votes() -> None:
    state = counted({}, "weighted")
    state.ballots = {"claude": ballot("claude", "gpt", 0.0)}
    assert not decide(state).reached


def test_a_person_at_full_intensity_weighs_like_the_average_agent() -> None:
    state = counted(THREE_TO_ONE, "weighted")
    state.persons = {"ann": PersonVoted(1, "ann", "grok", 10), "bob": PersonVoted(1, "bob", "grok", 5)}
    weights = {cast.voter: cast.weight for cast in votes_of(state, positions_of(state)).casts}
    assert weights["person:ann"] == pytest.approx(weights["claude"])
    assert weights["person:bob"] == pytest.approx(weights["claude"] / 2)


def test_a_share_that_rounds_to_the_threshold_is_told_with_the_digits_that_decide() -> None:
    agents = tuple(f"a{number}" for number in range(20))
    spec = debating.spec_of(agents, preset("ensemble"))
    state = counted({agent: agents[(place + 2) % 2] for place, agent in enumerate(agents)}, spec=spec)
    for own in agents[:2]:
        state.ballots[own] = ballot(own, agents[2 - 1 - agents.index(own)])
    assert "holds 50% of the weight" in decide(state).explanation
    state.persons = {"ann": PersonVoted(1, "ann", agents[0], 1)}
    decision = decide(state)
    assert decision.reached
    assert "holds 50.249% of the weight" in decision.explanation


def test_votes_of_people_for_answers_that_were_revised_since_are_told() -> None:
    state = counted(THREE_TO_ONE)
    state.round = 2
    state.answers["grok"] = replace(state.answers["grok"], round=2)
    state.persons = {"ann": PersonVoted(1, "ann", "grok", 10), "bob": PersonVoted(1, "bob", "gpt", 10)}
    told = "1 vote(s) of people were for answers that were revised since, and count for the new ones."
    assert told in decide(state).explanation
    state.persons["ann"] = PersonVoted(2, "ann", "grok", 10)
    assert "revised since" not in decide(state).explanation


def test_where_several_answers_weigh_nothing_none_is_said_to_be_the_only_one() -> None:
    state = counted({}, "weighted")
    state.answers = {agent: debating.given(agent, "Tea.", confidence=0.0) for agent in FOUR}
    state.positions = (Position("Tea", "claude", FOUR),)
    decision = decide(state)
    assert not decision.reached
    assert "Only claude" not in decision.explanation
    assert "No vote with any weight arrived" in decision.explanation


def test_people_alone_name_a_leader_but_reach_no_consensus() -> None:
    state = counted({}, "none")
    state.ballots_wanted = 0
    state.persons = {"ann": PersonVoted(1, "ann", "grok", 10)}
    decision = decide(state)
    assert (decision.winner, decision.reached) == ("grok", False)
    assert "1 of 1 person voted for it" in decision.support


def test_a_persons_vote_for_an_agent_without_an_answer_is_void_and_told() -> None:
    state = counted(THREE_TO_ONE)
    del state.answers["grok"]
    state.persons = {"ann": PersonVoted(1, "ann", "grok", 10)}
    decision = decide(state)
    assert "1 vote(s) of people" in decision.explanation
    assert all("person:ann" not in tally.voters for tally in decision.tallies)


def test_the_judge_decides_whatever_people_prefer() -> None:
    state = counted({}, "judge")
    state.verdict = ballot("grok", "gpt", 0.7, kind=AskKind.JUDGE)
    state.persons = {name: PersonVoted(1, name, "claude", 10) for name in ("ann", "bob")}
    decision = decide(state)
    assert (decision.winner, decision.reached) == ("gpt", True)
    assert decision.confidence == pytest.approx(2 / 6)  # the judge and the author, of four agents and two people
    assert [dissent.agent for dissent in decision.dissent] == ["claude", "gemini", "person:ann", "person:bob"]


def test_rankings_are_counted_by_borda_and_need_a_majority_in_every_pair() -> None:
    state = counted({}, spec=debating.spec_of(protocol=preset("council")))
    orders = {
        "claude": ("gpt", "gemini", "claude", "grok"),
        "gemini": ("gpt", "grok", "gemini", "claude"),
        "grok": ("gemini", "gpt", "grok", "claude"),
    }
    state.ballots = {
        voter: ballot(voter, order[0], kind=AskKind.RANK, ranking=order) for voter, order in orders.items()
    }
    decision = decide(state)
    assert (decision.winner, decision.reached) == ("gpt", False)
    assert decision.tallies[0].weight == pytest.approx((3 + 3 + 2) / 6)
    assert "50%" in decision.explanation  # two of the three who ranked prefer it to gemini, of four


weights = strategies.floats(0.0, 10.0, allow_nan=False)
choices = strategies.sampled_from(FOUR)
plain = strategies.builds(
    Cast, strategies.text(), choices, strategies.just(()), weights, strategies.floats(0, 1), strategies.just("")
)
rankings = strategies.permutations(FOUR).map(tuple)
ranking = strategies.builds(lambda order, weight: Cast("v", order[0], order, weight, 0.5, ""), rankings, weights)


@given(strategies.lists(strategies.one_of(plain, ranking)))
def test_counting_neither_creates_nor_loses_weight(casts: list[Cast]) -> None:
    result = count(tuple(casts), FOUR)
    assert sum(result.weight.values()) == pytest.approx(sum(cast.weight for cast in casts))
    assert sum(result.votes.values()) == len(casts)
    assert all(weight >= 0 for weight in result.weight.values())


@given(strategies.lists(strategies.one_of(plain, ranking), min_size=1))
def test_shares_stay_within_0_and_1(casts: list[Cast]) -> None:
    result = count(tuple(casts), FOUR)
    if result.total > 0:
        assert all(0.0 <= result.share_of(agent) <= 1.0 + 1e-9 for agent in FOUR)


@given(strategies.dictionaries(strategies.sampled_from(FOUR), choices), strategies.sampled_from(list(ConsensusMode)))
def test_the_order_in_which_votes_arrive_does_not_matter(votes: dict[str, str], mode: ConsensusMode) -> None:
    spec = debating.spec_of(protocol=Protocol("own", consensus=mode))
    forth = decide(counted(votes, spec=spec))
    back = decide(counted(dict(reversed(votes.items())), spec=spec))
    assert (forth.winner, forth.reached) == (back.winner, back.reached)
    assert forth.confidence == pytest.approx(back.confidence)
