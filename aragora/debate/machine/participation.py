"""Who took part in a decision, who did not and why, and what that makes of the result.

A result is degraded where something was missing that its form promises:

    quorum   fewer agents answered, or voted, than the protocol's quorum
    voters   half or more of those entitled to vote gave no ballot
    votes    a vote was due, and no ballot arrived: the answers were counted instead, or nothing
    judge    the judge gave no verdict
    chair    the chair wrote nothing
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from aragora.debate.machine.ballots import Votes
from aragora.debate.machine.positions import agreed
from aragora.debate.machine.state import DebateState, answer_holders, judge_of, judged, quorum_of
from aragora.debate.model import Absence, AskKind, ConsensusMode, Participation

ABSTAINED: Final = "abstained"
NOT_ASKED: Final = "not_asked"

_ANSWERING: Final = (AskKind.CHALLENGE, AskKind.REVISE, AskKind.PROPOSE)
_VOTING: Final = (AskKind.VOTE, AskKind.RANK)


def participation_of(state: DebateState, votes: Votes) -> Participation:
    """Who took part in the decision that `votes` make."""
    holders = answer_holders(state)
    voted = tuple(dict.fromkeys(cast.voter for cast in votes.of_agents))
    entitled = entitled_of(state)
    absent = [
        *(_absence(state, agent, "answer", _ANSWERING) for agent in state.participants if agent not in holders),
        *(_absence(state, agent, "vote", _VOTING) for agent in entitled if agent not in voted and agent in holders),
        *_missing_voices(state),
    ]
    used = [(state.answers[agent].usage.provider, state.answers[agent].usage.model) for agent in holders]
    return Participation(
        asked=state.spec.agents,
        answered=holders,
        entitled=entitled,
        voted=voted,
        absent=tuple(absent),
        providers=tuple(sorted({provider for provider, _ in used})),
        models=tuple(sorted({f"{provider}/{model}" for provider, model in used})),
        degraded=tuple(_degraded(state, votes, len(voted), len(entitled))),
    )


def entitled_of(state: DebateState) -> tuple[str, ...]:
    """Who may vote: every participant; where a judge gave its verdict, the judge besides, or alone where the answers
    stand for themselves."""
    judge = judge_of(state.spec)
    if state.verdict is not None and not state.spec.protocol.positions:
        return (judge,)
    if state.verdict is None or judge in state.participants:
        return state.participants
    return (*state.participants, judge)


def missing_votes(state: DebateState, votes: Votes) -> int:
    """How many of those entitled to vote gave no vote that counts, those who abstained among them."""
    voted = {cast.voter for cast in votes.of_agents}
    return sum(1 for agent in entitled_of(state) if agent not in voted)


def abstainers(state: DebateState, kinds: Iterable[AskKind] = _VOTING) -> tuple[str, ...]:
    """The agents that handed in an empty ballot."""
    return tuple(dict.fromkeys(agent for kind in kinds for agent in state.abstained.get(kind, {})))


def voting_was_due(state: DebateState) -> bool:
    """Whether agents should have voted: there was something to vote on, and a consensus was sought."""
    protocol = state.spec.protocol
    sought = protocol.consensus is not ConsensusMode.NONE or protocol.rank
    return sought and state.verdict is None and len(answer_holders(state)) > 1 and not agreed(state)


def _missing_voices(state: DebateState) -> Iterable[Absence]:
    judge = judge_of(state.spec)
    if _lacks_judge(state):
        yield _absence(state, judge, "verdict", (AskKind.JUDGE,))
    if _lacks_chair(state):
        yield _absence(state, judge, "synthesis", (AskKind.SYNTHESIZE,))


def _lacks_judge(state: DebateState) -> bool:
    return (
        judged(state.spec.protocol) and state.verdict is None and len(answer_holders(state)) > 1 and not agreed(state)
    )


def _lacks_chair(state: DebateState) -> bool:
    return state.spec.protocol.synthesize and state.synthesis is None


def _absence(state: DebateState, agent: str, wanted: str, kinds: tuple[AskKind, ...]) -> Absence:
    for kind in kinds:
        abstained = state.abstained.get(kind, {}).get(agent)
        if abstained is not None:
            return Absence(agent, wanted, ABSTAINED, abstained.reason)
        failed = state.failed.get(kind, {}).get(agent)
        if failed is not None:
            return Absence(agent, wanted, failed.code, failed.message)
    return Absence(agent, wanted, NOT_ASKED, "it was not asked: the budget was spent, or the debate ended before")


def _degraded(state: DebateState, votes: Votes, voted: int, entitled: int) -> Iterable[str]:
    due = voting_was_due(state)
    handed_in = len(state.ballots) + len(abstainers(state))
    too_few_answers = len(answer_holders(state)) < quorum_of(state, len(state.participants))
    too_few_ballots = due and state.ballots_wanted and handed_in < quorum_of(state, state.ballots_wanted)
    if too_few_answers or too_few_ballots:
        yield "quorum"
    if 2 * (entitled - voted - (len(abstainers(state)) if not votes.from_answers else 0)) >= entitled:
        yield "voters"
    if due and not state.ballots:
        yield "votes"
    if _lacks_judge(state):
        yield "judge"
    if _lacks_chair(state):
        yield "chair"
