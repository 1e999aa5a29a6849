"""How votes become a decision.

What is counted are positions (`positions`), by the casts of `ballots` and the arithmetic of `counting`. The leader has
the most weight; equal weight is broken by number of votes, then the confidence the spokesman had in its answer, then
its rating, then the order in which the agents are listed. What the leader holds is its share of the weight that all
who were entitled to vote could have given:

    mode           reached where the leader holds
    majority       more than `threshold` (preset: one half)
    weighted       more than `threshold`, votes weighed by what is known of their voters
    supermajority  at least `threshold`, two thirds or more
    unanimous      everything
    judge          the judge's verdict, whatever others hold; without a verdict as majority
    none           never: no vote is asked, the best answer is only named

and where at least the protocol's quorum of the voters handed in a ballot. Otherwise `reached` is False and the leader
is named. The share is also the decision's confidence: what agents say of themselves is told apart from it, and counts
for nothing but ties.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from aragora.debate.machine.ballots import Votes, votes_of
from aragora.debate.machine.convergence import overlap, shingles
from aragora.debate.machine.counting import Count, count
from aragora.debate.machine.grounds import contradictions
from aragora.debate.machine.participation import (
    abstainers,
    missing_votes,
    participation_of,
    voting_was_due,
)
from aragora.debate.machine.positions import agreed, position_of, positions_of
from aragora.debate.machine.state import (
    DebateState,
    answer_holders,
    judge_of,
    judged,
    quorum_of,
    standing_of,
    unsettled_usd,
)
from aragora.debate.machine.wording import headline, quoted, support
from aragora.debate.model import ConsensusMode, Decision, Dissent, Position, Tally

_CLOSE: Final = 1e-9
_ASTRAY: Final = 0.2
"""By how much the chair's text may share more words with another position than with the winning one."""
_STRANGE: Final = 0.05
"""Words in common with every answer below which the chair's text is marked as one that nobody else gave."""


def decide(state: DebateState) -> Decision:
    """The decision on the answers and votes in `state`. Needs at least one answer."""
    positions = positions_of(state)
    votes = votes_of(state, positions)
    result = count(votes.casts, tuple(one.spokesman for one in positions), votes.unit * missing_votes(state, votes))
    by_spokesman = {one.spokesman: one for one in positions}
    ranked = sorted(by_spokesman, key=lambda agent: _lead(state, result, agent), reverse=True)
    verdict = _judge(state, result) or _counted(state, votes, result, ranked)
    winner = verdict.winner
    who = participation_of(state, votes)
    behind = support(state, votes, winner)
    text, remarks = _text(state, by_spokesman[winner])
    return Decision(
        reached=verdict.reached,
        answer=text,
        winner=winner,
        confidence=round(result.share_of(winner), 6),
        mode=state.spec.protocol.consensus,
        tallies=tuple(_tally(by_spokesman[agent], result) for agent in ranked),
        dissent=_dissent(state, votes, positions, winner),
        rounds=state.round,
        cost_usd=state.cost_usd,
        stopped_by=state.stopped_by,
        explanation=" ".join(
            (
                *verdict.explanation,
                *remarks,
                *_corrected(state),
                *_void(state, positions),
                *_followed(state),
                *_uncounted(state),
                *(contradictions(state, by_spokesman[winner].name) if verdict.reached else ()),
            )
        ),
        headline=headline(state, who, behind, by_spokesman[winner].name, reached=verdict.reached),
        position=by_spokesman[winner].name,
        support=behind,
        stated_confidence=_stated(votes, winner),
        estimated_usd=state.estimated_usd,
        unsettled_usd=unsettled_usd(state),
        participation=who,
    )


@dataclass(frozen=True, slots=True)
class _Verdict:
    winner: str
    reached: bool
    explanation: tuple[str, ...]


def _tally(position: Position, result: Count) -> Tally:
    agent = position.spokesman
    return Tally(
        agent,
        result.votes[agent],
        round(result.weight[agent], 9),
        result.voters[agent],
        position.name,
        position.authors,
    )


def _dissent(state: DebateState, votes: Votes, positions: tuple[Position, ...], winner: str) -> tuple[Dissent, ...]:
    """Who stands behind another position, and why: the reason of the ballot, or the conclusion of the answer."""
    names = {one.spokesman: one.name for one in positions}
    return tuple(
        Dissent(cast.voter, cast.choice, cast.reason or (names[cast.choice] if cast.voter in state.answers else ""))
        for cast in votes.casts
        if cast.choice != winner
    )


def _stated(votes: Votes, winner: str) -> float | None:
    """What the agents behind the winner say of themselves, on average."""
    stated = [cast.confidence for cast in votes.of_agents if cast.choice == winner]
    return round(sum(stated) / len(stated), 6) if stated else None


# --- The text ---------------------------------------------------------------------------------------------


def _text(state: DebateState, winning: Position) -> tuple[str, tuple[str, ...]]:
    """The decision's text, and what is to be said of it: the chair's where it words the winning position."""
    own = state.answers[winning.spokesman].content
    chair = state.synthesis
    if chair is None:
        return own, ()
    if chair.option != state.answers[winning.spokesman].option:
        return own, (
            f"The chair {chair.agent} wrote for {quoted(chair.option)} instead, so the winning answer stands.",
        )
    if state.leading not in winning.authors:
        told = (
            f"The chair {chair.agent} wrote for the answer of {state.leading}, which led until people turned the count"
        )
        return own, (f"{told}, so the winning answer stands.",)
    words = shingles(chair.content)
    alike = {agent: overlap(words, shingles(state.answers[agent].content)) for agent in answer_holders(state)}
    closest = max(alike, key=lambda agent: alike[agent])
    if alike[closest] < _STRANGE:
        return chair.content, (f"The text of the chair {chair.agent} shares next to nothing with any answer.",)
    if alike[closest] > max(alike[author] for author in winning.authors) + _ASTRAY:
        told = (
            f"The text of the chair {chair.agent} is closer to the answer of {closest} than to any for the winning one."
        )
        return chair.content, (told,)
    return chair.content, ()


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
    "the rating of its spokesman",
    "the order in which the agents are listed",
)


def _judge(state: DebateState, result: Count) -> _Verdict | None:
    vote = state.verdict
    if vote is None:
        return None
    chosen = next(cast.choice for cast in result.casts if cast.voter == vote.agent)
    told = f"The judge {vote.agent} decided for the answer of {chosen}."
    if vote.agent in answer_holders(state):
        own = position_of(positions_of(state), vote.agent)
        side = "for its own side" if own is not None and own.spokesman == chosen else "against its own side"
        told += f" It is one of the debaters, and decided {side}."
    others = [cast for cast in result.casts if cast.voter != vote.agent and cast.choice != chosen]
    if others:
        told += f" {len(others)} of {len(result.casts) - 1} others stand for another."
    return _Verdict(chosen, True, (told,))


def _counted(state: DebateState, votes: Votes, result: Count, ranked: list[str]) -> _Verdict:
    winner = ranked[0]
    if result.total <= _CLOSE or (len(ranked) == 1 and len(answer_holders(state)) == 1):
        return _Verdict(winner, False, (_why_uncounted(state, winner),))
    share = result.share_of(winner)
    mode, threshold = state.spec.protocol.consensus, state.spec.protocol.threshold
    met = mode is not ConsensusMode.NONE and _met(mode, threshold, share)
    held = "is preferred to any other by at least" if result.ranks else "holds"
    told_share = _percent(share, _needed(mode, threshold))
    standing = f"The position of {winner} {held} {told_share} of the weight of all who were entitled to vote"
    told = [
        *_why_answers_count(state, votes),
        f"{standing}; {_wanted(mode, threshold)}.",
        *_tie(state, result, ranked),
    ]
    if votes.from_answers:
        return _Verdict(winner, met, tuple(told))
    needed = quorum_of(state, state.ballots_wanted)
    handed_in = len(state.ballots) + len(abstainers(state))
    if not state.ballots_wanted:
        met = False
        told.append("Only people voted: no vote of an agent was asked.")
    elif handed_in < needed:
        met = False
        told.append(f"Only {handed_in} of {state.ballots_wanted} agents voted; {needed} were needed.")
    return _Verdict(winner, met, tuple(told))


def _why_answers_count(state: DebateState, votes: Votes) -> Iterable[str]:
    if judged(state.spec.protocol) and not agreed(state) and len(answer_holders(state)) > 1:
        yield f"The judge {judge_of(state.spec)} gave no verdict, so votes decide."
    if not votes.from_answers:
        return
    if agreed(state) and state.ballots_wanted:
        yield "No vote arrived, and all answers come to the same conclusion, so they count."
    elif agreed(state):
        by = f", as {state.grouping.agent} read them" if state.grouping is not None and not state.corrected_by else ""
        yield f"All answers come to the same conclusion{by}, so no vote was asked."
    elif state.stopped_by == "budget":
        yield f"The budget of {state.spec.budget_usd} USD was spent before the votes, so the answers themselves count."
    elif voting_was_due(state):
        yield "No vote arrived, so the answers themselves count."


def _met(mode: ConsensusMode, threshold: float, share: float) -> bool:
    needed = _needed(mode, threshold)
    if mode in (ConsensusMode.UNANIMOUS, ConsensusMode.SUPERMAJORITY):
        return share >= needed - _CLOSE
    return share > needed + _CLOSE


def _needed(mode: ConsensusMode, threshold: float) -> float:
    if mode is ConsensusMode.UNANIMOUS:
        return 1.0
    return max(threshold, 2 / 3) if mode is ConsensusMode.SUPERMAJORITY else threshold


def _percent(share: float, needed: float) -> str:
    """`share` in whole percent; with more digits where it would read like the share that is needed, and is not."""
    plain = f"{share:.0%}"
    return f"{share:.3%}" if plain == f"{needed:.0%}" and abs(share - needed) > _CLOSE else plain


def _wanted(mode: ConsensusMode, threshold: float) -> str:
    if mode is ConsensusMode.NONE:
        return "no consensus was sought"
    if mode is ConsensusMode.UNANIMOUS:
        return "unanimity needs all of it"
    if mode is ConsensusMode.SUPERMAJORITY:
        return f"a supermajority needs at least {_needed(mode, threshold):.0%}"
    return f"{mode} needs more than {threshold:.0%}"


def _tie(state: DebateState, result: Count, ranked: list[str]) -> tuple[str, ...]:
    if len(ranked) < 2:
        return ()
    first, second = (_lead(state, result, agent) for agent in ranked[:2])
    if first[0] != second[0]:
        return ()
    by = next(name for name, left, right in zip(_TIE_BREAKERS, first, second, strict=True) if left != right)
    return (f"The positions of {ranked[0]} and {ranked[1]} hold equal weight; the tie was broken by {by}.",)


def _why_uncounted(state: DebateState, winner: str) -> str:
    best = f"the answer with the highest confidence of its author is named: {winner}'s."
    if len(answer_holders(state)) == 1:
        return f"Only {winner} gave an answer, so there was nothing to agree on."
    if state.stopped_by == "budget":
        return f"The budget of {state.spec.budget_usd} USD was spent before the votes; {best}"
    if state.spec.protocol.consensus is ConsensusMode.NONE:
        return f"No consensus was sought; {best}"
    return f"No vote with any weight arrived; {best}"


def _corrected(state: DebateState) -> tuple[str, ...]:
    return (f"{state.corrected_by} corrected which answers are one position.",) if state.corrected_by else ()


def _void(state: DebateState, positions: tuple[Position, ...]) -> tuple[str, ...]:
    void = sum(1 for vote in state.persons.values() if position_of(positions, vote.choice) is None)
    return (f"{void} vote(s) of people were for an agent without an answer and did not count.",) if void else ()


def _followed(state: DebateState) -> tuple[str, ...]:
    """People vote for an agent's answer, and their votes stay with the agent: who reads them must know where it
    answered anew since."""
    revised = [
        vote
        for vote in state.persons.values()
        if vote.choice in state.answers and 0 < vote.round < state.answers[vote.choice].round
    ]
    if not revised:
        return ()
    return (f"{len(revised)} vote(s) of people were for answers that were revised since, and count for the new ones.",)


def _uncounted(state: DebateState) -> tuple[str, ...]:
    if state.spec.budget_usd is None or not state.uncounted:
        return ()
    when = "When this was proposed: " if state.spec.needs else ""  # a late answer is still paid while people sign
    told = f"{when}{state.uncounted} answer(s) came too late or without a count of tokens"
    held_usd = unsettled_usd(state)
    if held_usd:
        return (f"{told}: what they cost is not in the sum; the budget holds {held_usd:.6f} USD for it.",)
    return (f"{told}: what they cost is not in the sum, nor in the budget.",)
