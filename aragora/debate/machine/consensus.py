"""How votes become a decision.

Each ballot carries a weight: 1, or in the mode `weighted` confidence x calibration x 2E, where E is the expected
score of the voter's rating against a player of 1500 (Elo 1978), so that a newcomer's factor is 1. A vote for
oneself is multiplied by `self_vote_weight`. A person's latest vote weighs intensity/10 of the average agent: at
10 it counts like one agent. The weight of a vote goes to its choice. A ranking of n answers shares its weight by Borda
points, (n-1) for the first down to 0 for the last, divided by their sum; answers that it leaves out share what is left
evenly. So no rule creates or loses weight.

The leader has the most weight; equal weight is broken by number of votes, then the confidence the author had in the
answer, then the author's rating, then the order in which the agents are listed. What the leader holds is its share of
the weight (of rankings: the smallest share that prefers it to any one other answer, after Condorcet):

    mode           reached where the leader holds
    majority       more than `threshold` (preset: one half)
    weighted       more than `threshold`, weights as above
    supermajority  at least `threshold`, two thirds or more
    unanimous      everything
    judge          the judge's verdict, whatever others hold; without a verdict as majority
    none           never: no vote is asked, the best answer is only named

and where at least the protocol's quorum of the voters voted. Otherwise `reached` is False and the leader is named.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from aragora.debate.machine.state import DebateState, answer_holders, judge_of, judged, standing_of
from aragora.debate.model import START_ELO, ConsensusMode, Decision, Dissent, Tally
from aragora.limits import INTENSITY_MAX

PERSON: Final = "person:"  # prefix of a person's name among the voters
_CLOSE: Final = 1e-9


def decide(state: DebateState) -> Decision:
    """The decision on the answers and votes in `state`. Needs at least one answer."""
    holders = answer_holders(state)
    result = count(casts_of(state, holders), holders)
    ranked = sorted(holders, key=lambda agent: _lead(state, result, agent), reverse=True)
    verdict = _judge(state, result) or _counted(state, result, ranked)
    winner = verdict.winner
    answer = state.answers[winner].content if state.synthesis is None else state.synthesis.content
    return Decision(
        reached=verdict.reached,
        answer=answer,
        winner=winner,
        confidence=round(verdict.confidence, 6),
        mode=state.spec.protocol.consensus,
        tallies=tuple(
            Tally(agent, result.votes[agent], round(result.weight[agent], 9), result.voters[agent]) for agent in ranked
        ),
        dissent=tuple(Dissent(cast.voter, cast.choice, cast.reason) for cast in result.casts if cast.choice != winner),
        rounds=state.round,
        cost_usd=state.cost_usd,
        stopped_by=state.stopped_by,
        explanation=" ".join((*verdict.explanation, *_void(state, holders), *_uncounted(state))),
    )


@dataclass(frozen=True, slots=True)
class _Verdict:
    winner: str
    reached: bool
    confidence: float
    explanation: tuple[str, ...]


# --- Weights ----------------------------------------------------------------------------------------------


def casts_of(state: DebateState, holders: tuple[str, ...]) -> tuple[Cast, ...]:
    """Every vote that counts, with its weight; those of agents first."""
    protocol = state.spec.protocol
    agents: list[Cast] = []
    average = 0.0
    ballots = [*state.ballots.values()] if state.verdict is None else [*state.ballots.values(), state.verdict]
    for vote in ballots:
        weight = 1.0
        if protocol.consensus is ConsensusMode.WEIGHTED:
            weight = vote.confidence * _trust(state, vote.agent)
        average += weight / len(ballots)
        if vote.choice == vote.agent:
            weight *= protocol.self_vote_weight
        agents.append(Cast(vote.agent, vote.choice, vote.ranking, weight, vote.confidence, vote.reason))
    unit = average if ballots else 1.0
    persons = [
        Cast(
            PERSON + vote.person,
            vote.choice,
            (),
            unit * vote.intensity / INTENSITY_MAX,
            vote.intensity / INTENSITY_MAX,
            "",
        )
        for vote in state.persons.values()
        if vote.choice in holders
    ]
    return (*agents, *persons)


def _trust(state: DebateState, agent: str) -> float:
    standing = standing_of(state.spec, agent)
    expected = 1.0 / (1.0 + math.pow(10.0, (START_ELO - standing.elo) / 400.0))
    return standing.calibration * 2.0 * expected


# --- Counting ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cast:
    """One vote as it counts; `ranking` is empty where the voter only chose."""

    voter: str
    choice: str
    ranking: tuple[str, ...]
    weight: float
    confidence: float
    reason: str


@dataclass(frozen=True, slots=True)
class Count:
    """What each answer holds. `votes` and `voters` count first choices."""

    casts: tuple[Cast, ...]
    weight: dict[str, float]
    votes: dict[str, int]
    voters: dict[str, tuple[str, ...]]
    total: float

    @property
    def ranks(self) -> bool:
        """Whether any voter ranked."""
        return any(cast.ranking for cast in self.casts)

    def share_of(self, leader: str) -> float:
        """The share of weight behind `leader`, 0..1; of rankings the smallest in any pair with another answer."""
        if not self.ranks:
            return self.weight[leader] / self.total
        pairs = [self._preferring(leader, other) for other in self.weight if other != leader]
        return min(pairs, default=1.0)

    def _preferring(self, leader: str, other: str) -> float:
        better = sum(cast.weight for cast in self.casts if _prefers(cast, leader, other))
        worse = sum(cast.weight for cast in self.casts if _prefers(cast, other, leader))
        return better / (better + worse) if better + worse > 0 else 0.0

    def conviction_of(self, leader: str) -> float:
        """How sure those who chose `leader` are, 0..1, by weight; of all voters where none put it first."""
        chosen = [cast for cast in self.casts if cast.choice == leader] or list(self.casts)
        weight = sum(cast.weight for cast in chosen)
        return sum(cast.weight * cast.confidence for cast in chosen) / weight if weight > 0 else 0.0


def count(casts: tuple[Cast, ...], answers: tuple[str, ...]) -> Count:
    """What each of `answers` holds of the votes; every choice must be one of them."""
    ranks = any(cast.ranking for cast in casts)
    weight = dict.fromkeys(answers, 0.0)
    for cast in casts:
        if ranks:
            _share(cast, weight)
        else:
            weight[cast.choice] += cast.weight
    voters = {agent: tuple(cast.voter for cast in casts if cast.choice == agent) for agent in answers}
    votes = {agent: len(names) for agent, names in voters.items()}
    return Count(casts, weight, votes, voters, sum(cast.weight for cast in casts))


def _share(cast: Cast, weight: dict[str, float]) -> None:
    size = len(weight)
    points = size * (size - 1) / 2
    if points == 0:
        weight[cast.choice] += cast.weight
        return
    ranking = cast.ranking or (cast.choice,)
    left = points
    for place, agent in enumerate(ranking):
        weight[agent] += cast.weight * (size - 1 - place) / points
        left -= size - 1 - place
    unranked = [agent for agent in weight if agent not in ranking]
    for agent in unranked:
        weight[agent] += cast.weight * left / points / len(unranked)


def _prefers(cast: Cast, one: str, other: str) -> bool:
    ranking = cast.ranking or (cast.choice,)
    if one not in ranking:
        return False
    return other not in ranking or ranking.index(one) < ranking.index(other)


# --- Who leads, and by how much ---------------------------------------------------------------------------


def _lead(state: DebateState, result: Count, agent: str) -> tuple[float, int, float, float, int]:
    return (
        round(result.weight[agent], 9),
        result.votes[agent],
        state.answers[agent].confidence,
        standing_of(state.spec, agent).elo,
        -state.spec.agents.index(agent),
    )


_TIE_BREAKERS: Final = (
    "",
    "the number of votes",
    "the confidence in the answer",
    "the rating of its author",
    "the order in which the agents are listed",
)


def _judge(state: DebateState, result: Count) -> _Verdict | None:
    vote = state.verdict
    if vote is None:
        return None
    told = f"The judge {vote.agent} decided for {vote.choice}."
    others = [cast for cast in result.casts if cast.voter != vote.agent and cast.choice != vote.choice]
    if others:
        told += f" {len(others)} other vote(s) preferred another answer."
    return _Verdict(vote.choice, True, vote.confidence, (told,))


def _counted(state: DebateState, result: Count, ranked: list[str]) -> _Verdict:
    winner = ranked[0]
    if result.total <= _CLOSE:
        return _Verdict(winner, False, state.answers[winner].confidence, (_why_uncounted(state, winner, ranked),))
    share = result.share_of(winner)
    mode = state.spec.protocol.consensus
    told: list[str] = []
    if judged(state.spec.protocol):
        told.append(f"The judge {judge_of(state.spec)} gave no verdict, so votes decide.")
    met = mode is not ConsensusMode.NONE and _met(mode, state.spec.protocol.threshold, share)
    held = "is preferred to any other answer by at least" if result.ranks else "holds"
    told.append(f"{winner} {held} {share:.0%} of the weight; {_wanted(mode, state.spec.protocol.threshold)}.")
    told.extend(_tie(state, result, ranked))
    needed = max(1, math.ceil(state.spec.protocol.quorum * state.ballots_wanted - _CLOSE))
    if not state.ballots_wanted:
        met = False
        told.append("Only people voted: no vote of an agent was asked.")
    elif len(state.ballots) < needed:
        met = False
        told.append(f"Only {len(state.ballots)} of {state.ballots_wanted} agents voted; {needed} were needed.")
    return _Verdict(winner, met, share * result.conviction_of(winner), tuple(told))


def _met(mode: ConsensusMode, threshold: float, share: float) -> bool:
    if mode is ConsensusMode.UNANIMOUS:
        return share >= 1.0 - _CLOSE
    if mode is ConsensusMode.SUPERMAJORITY:
        return share >= max(threshold, 2 / 3) - _CLOSE
    return share > threshold + _CLOSE


def _wanted(mode: ConsensusMode, threshold: float) -> str:
    if mode is ConsensusMode.NONE:
        return "no consensus was sought"
    if mode is ConsensusMode.UNANIMOUS:
        return "unanimity needs all of it"
    if mode is ConsensusMode.SUPERMAJORITY:
        return f"a supermajority needs at least {max(threshold, 2 / 3):.0%}"
    return f"{mode} needs more than {threshold:.0%}"


def _tie(state: DebateState, result: Count, ranked: list[str]) -> tuple[str, ...]:
    if len(ranked) < 2:
        return ()
    first, second = (_lead(state, result, agent) for agent in ranked[:2])
    if first[0] != second[0]:
        return ()
    by = next(name for name, left, right in zip(_TIE_BREAKERS, first, second, strict=True) if left != right)
    return (f"{ranked[0]} and {ranked[1]} hold equal weight; the tie was broken by {by}.",)


def _why_uncounted(state: DebateState, winner: str, ranked: list[str]) -> str:
    best = f"the answer with the highest confidence of its author is named: {winner}'s."
    if len(ranked) == 1:
        return f"Only {winner} gave an answer, so there was nothing to agree on."
    if state.stopped_by == "budget":
        return f"The budget of {state.spec.budget_usd} USD was spent before the votes; {best}"
    if state.spec.protocol.consensus is ConsensusMode.NONE:
        return f"No consensus was sought; {best}"
    return f"No vote with any weight arrived; {best}"


def _void(state: DebateState, holders: tuple[str, ...]) -> tuple[str, ...]:
    void = sum(1 for vote in state.persons.values() if vote.choice not in holders)
    return (f"{void} vote(s) of people were for an agent without an answer and did not count.",) if void else ()


def _uncounted(state: DebateState) -> tuple[str, ...]:
    if state.spec.budget_usd is None or not state.uncounted:
        return ()
    told = f"{state.uncounted} answer(s) came too late or without a count of tokens"
    return (f"{told}: what they cost is not in the sum, nor in the budget.",)
