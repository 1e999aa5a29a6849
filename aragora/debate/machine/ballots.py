"""Which votes count, for which position, and with what weight.

A ballot of an agent weighs 1, or in the mode `weighted` confidence x calibration x 2E, where E is the expected score of
the voter's rating against a player of 1500 (Elo 1978), so that a newcomer's factor is 1. A vote for the position that
the voter holds itself is multiplied by `self_vote_weight`, however many hold it: so copies of an answer, whoever writes
them, change no vote. A person's latest vote weighs intensity/10 of the average agent: at 10 it counts like one agent.

Where no ballot of an agent arrived, or none was asked, the answers themselves count: each author for its position. In a
debate without positions they do not: each would stand for itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from aragora.debate.machine.counting import Cast
from aragora.debate.machine.positions import position_of
from aragora.debate.machine.state import DebateState, standing_of
from aragora.debate.model import START_ELO, ConsensusMode, Position, VoteCast
from aragora.limits import INTENSITY_MAX

PERSON: Final = "person:"
"""Prefix of a person's name among the voters."""


@dataclass(frozen=True, slots=True)
class Votes:
    """The casts of agents first, then those of people. `unit` is the weight of an average agent's vote;
    `from_answers`: no ballot counts, the answers do."""

    casts: tuple[Cast, ...]
    unit: float
    from_answers: bool

    @property
    def of_agents(self) -> tuple[Cast, ...]:
        return tuple(cast for cast in self.casts if not cast.voter.startswith(PERSON))


def votes_of(state: DebateState, positions: tuple[Position, ...]) -> Votes:
    """Every vote that counts."""
    ballots = list(state.ballots.values())
    if state.verdict is not None:
        ballots.append(state.verdict)
    from_answers = state.spec.protocol.positions and (not ballots or state.verdict is not None)
    agents = [_of_ballot(state, positions, vote) for vote in ballots]
    if from_answers:
        cast = {vote.agent for vote in ballots}
        agents += [_of_answer(state, one, author) for one in positions for author in one.authors if author not in cast]
    unit = sum(cast.weight for cast in agents) / len(agents) if agents else 1.0
    full = _full_weight(state, agents)
    people = [
        Cast(PERSON + vote.person, held.spokesman, (), full * vote.intensity / INTENSITY_MAX, 0.0, "")
        for vote in state.persons.values()
        if (held := position_of(positions, vote.choice)) is not None
    ]
    return Votes((*agents, *people), unit, from_answers)


def _full_weight(state: DebateState, agents: list[Cast]) -> float:
    """The weight of an average agent's vote for a position that it does not hold itself."""
    weights = [_weight(state, cast.voter, cast.confidence) for cast in agents]
    return sum(weights) / len(weights) if weights else 1.0


def _of_ballot(state: DebateState, positions: tuple[Position, ...], vote: VoteCast) -> Cast:
    weight = _weight(state, vote.agent, vote.confidence)
    chosen = position_of(positions, vote.choice)
    if chosen is not None and vote.agent in chosen.authors:
        weight *= state.spec.protocol.self_vote_weight
    ranking = dict.fromkeys(_spokesman(positions, name) for name in vote.ranking)
    return Cast(vote.agent, _spokesman(positions, vote.choice), tuple(ranking), weight, vote.confidence, vote.reason)


def _of_answer(state: DebateState, position: Position, author: str) -> Cast:
    answer = state.answers[author]
    return Cast(author, position.spokesman, (), _weight(state, author, answer.confidence), answer.confidence, "")


def _spokesman(positions: tuple[Position, ...], agent: str) -> str:
    held = position_of(positions, agent)
    return agent if held is None else held.spokesman


def _weight(state: DebateState, agent: str, confidence: float) -> float:
    if state.spec.protocol.consensus is not ConsensusMode.WEIGHTED:
        return 1.0
    standing = standing_of(state.spec, agent)
    expected = 1.0 / (1.0 + math.pow(10.0, (START_ELO - standing.elo) / 400.0))
    return confidence * standing.calibration * 2.0 * expected
