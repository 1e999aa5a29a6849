"""Laws of the count, over made elections: copies of an answer neither help nor hurt it, and agreement cannot split."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import debating

from aragora.debate import machine
from aragora.debate.machine.consensus import decide
from aragora.debate.machine.positions import position_of
from aragora.debate.model import AskKind, ConsensusMode, Decision, Position, Standing, VoteCast
from aragora.debate.protocol import preset

VOTERS = ("ann", "bob", "eve", "joe", "sue", "tim")
SILENT = "zoe"  # the last one listed: holds an answer or none, and never votes
COUNTED = [mode for mode in ConsensusMode if mode is not ConsensusMode.JUDGE]


@dataclass(frozen=True)
class Election:
    """Positions with their authors, and ballots by voter: first choices, or rankings of authors."""

    positions: tuple[tuple[str, ...], ...]
    ballots: dict[str, tuple[str, ...]]
    mode: ConsensusMode
    rank: bool

    def decision(self) -> Decision:
        protocol = replace(preset("council" if self.rank else "ensemble", consensus=self.mode), synthesize=False)
        standings = {name: Standing(1500.0 + 10 * place, 0.7) for place, name in enumerate(VOTERS)}
        spec = debating.spec_of((*VOTERS, SILENT), protocol, standings=standings)
        state = machine.DebateState(spec=spec, participants=spec.agents, round=1, ballots_wanted=len(spec.agents))
        for place, authors in enumerate(self.positions):
            for author in authors:
                state.answers[author] = debating.given(author, f"Answer {place}.", ("a fact",), 0.6)
        state.positions = tuple(
            Position(f"Answer {place}", group[0], group) for place, group in enumerate(self.positions)
        )
        for voter, ranking in self.ballots.items():
            kind = AskKind.RANK if self.rank else AskKind.VOTE
            order = ranking if self.rank else ()
            state.ballots[voter] = VoteCast(1, voter, "id", kind, ranking[0], 0.8, "why", order, debating.USAGE)
        return decide(state)


@st.composite
def elections(draw: Any) -> Election:
    places = {voter: draw(st.integers(0, 3)) for voter in VOTERS}
    groups: dict[int, list[str]] = {}
    for voter, place in places.items():
        groups.setdefault(place, []).append(voter)
    positions = tuple(tuple(group) for group in groups.values())
    ballots = {}
    for voter in VOTERS:
        if draw(st.booleans()):
            order = draw(st.permutations(positions))
            length = draw(st.integers(1, len(order)))
            ballots[voter] = tuple(draw(st.sampled_from(group)) for group in order[:length])
    return Election(positions, ballots, draw(st.sampled_from(COUNTED)), draw(st.booleans()))


def told(decision: Decision) -> tuple[object, ...]:
    weights = {tally.position: (round(tally.weight, 6), tally.votes) for tally in decision.tallies}
    return decision.position, decision.reached, round(decision.confidence, 6), weights


@settings(max_examples=150, deadline=None)
@given(elections(), st.data())
def test_a_copy_of_an_answer_neither_helps_nor_hurts_it(election: Election, data: st.DataObject) -> None:
    if not election.ballots:
        return  # then the answers themselves are the votes, and a copy is one
    place = data.draw(st.integers(0, len(election.positions) - 1))
    copied = tuple((*group, SILENT) if here == place else group for here, group in enumerate(election.positions))
    assert told(replace(election, positions=copied).decision()) == told(election.decision())


@settings(max_examples=150, deadline=None)
@given(elections(), st.data())
def test_it_does_not_matter_which_of_the_same_answers_a_vote_names(election: Election, data: st.DataObject) -> None:
    def another(author: str) -> str:
        return data.draw(st.sampled_from(next(group for group in election.positions if author in group)))

    renamed = {voter: tuple(another(author) for author in ranking) for voter, ranking in election.ballots.items()}
    assert told(replace(election, ballots=renamed).decision()) == told(election.decision())


@settings(max_examples=150, deadline=None)
@given(elections())
def test_where_all_vote_for_what_they_hold_the_share_is_that_of_the_authors(election: Election) -> None:
    own = {voter: (voter,) for voter in VOTERS}
    decision = replace(election, ballots=own, mode=ConsensusMode.MAJORITY, rank=False).decision()
    largest = max(len(group) for group in election.positions)
    assert decision.confidence == round(largest / 7, 6)  # the silent one stands behind nobody
    assert decision.reached is (largest / 7 > 0.5)


@settings(max_examples=150, deadline=None)
@given(elections())
def test_who_abstains_or_is_silent_never_helps_the_leader(election: Election) -> None:
    decision = election.decision()
    if not election.ballots:
        return
    fewer = dict(election.ballots)
    positions = tuple(Position("", group[0], group) for group in election.positions)
    for voter, ranking in election.ballots.items():
        held = position_of(positions, ranking[0])
        assert held is not None
        if decision.winner in held.authors and len(fewer) > 1:
            del fewer[voter]
            break
    lesser = replace(election, ballots=fewer).decision()
    if lesser.position == decision.position and not election.rank and election.mode is not ConsensusMode.WEIGHTED:
        assert lesser.confidence <= decision.confidence + 1e-9
