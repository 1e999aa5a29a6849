"""A decision in words: the first line that people read, who stands behind the answer, and how it was counted."""

from __future__ import annotations

from typing import Final

from aragora.debate.machine.ballots import PERSON, Votes
from aragora.debate.machine.participation import ABSTAINED, abstainers, missing_votes
from aragora.debate.machine.state import DebateState
from aragora.debate.model import ConsensusMode, Participation
from aragora.texts import counted

_MISSING: Final = {
    "quorum": "fewer took part than the quorum",
    "voters": "half of the voters or more were missing",
    "votes": "no vote arrived, the answers were counted instead",
    "judge": "the judge gave no verdict",
    "chair": "the chair wrote nothing",
}


def headline(state: DebateState, who: Participation, support: str, position: str, *, reached: bool) -> str:
    """What was decided and by how many, in one line; a degraded result says so first."""
    verdict = "Decided" if reached else "Not decided"
    if reached and state.spec.options:
        verdict = f"Decided for {position}"
    if not reached and state.spec.protocol.consensus is ConsensusMode.NONE:
        verdict = "No consensus was sought"
    told = [f"{verdict}: {support}."]
    took_part = set(who.answered) | set(who.voted)
    absent = {one.agent for one in who.absent}
    wanted = [agent for agent in who.asked if agent in took_part or agent in absent]  # no judge with nothing to judge
    there = sum(1 for agent in wanted if agent in took_part)
    if there < len(wanted):
        told.append(f"{there} of {counted(len(wanted), 'agent')} took part{_without(who, took_part)}.")
    if len(who.models) == 1 and len(who.answered) > 1:
        told.append(f"All answers come from one model, {who.models[0]}.")
    if who.degraded:
        told.insert(0, f"Degraded: {'; '.join(_MISSING[reason] for reason in who.degraded)}.")
    return " ".join(told)


def support(state: DebateState, votes: Votes, winner: str) -> str:
    """Who stands behind the leading position: "3 of 4 voted for it, 1 did not answer"."""
    agents = votes.of_agents
    behind = sum(1 for cast in agents if cast.choice == winner)
    others = len(agents) - behind
    missing = missing_votes(state, votes)
    refused = 0 if votes.from_answers else len(abstainers(state))
    entitled = len(agents) + missing
    parts = [f"{behind} of {entitled} {'came to it' if votes.from_answers else 'voted for it'}"]
    if state.verdict is not None:
        came = [cast for cast in agents if cast.voter != state.verdict.agent]
        held = f", {sum(1 for cast in came if cast.choice == winner)} of {len(came)} others came to it" if came else ""
        return f"the judge {state.verdict.agent} decided for it{held}"
    if others:
        parts.append(f"{others} {'came to another conclusion' if votes.from_answers else 'voted for another'}")
    if refused:
        parts.append(f"{refused} abstained")
    if missing > refused:
        parts.append(f"{missing - refused} did not {'answer' if votes.from_answers else 'vote'}")
    people = [cast for cast in votes.casts if cast.voter.startswith(PERSON)]
    if people:
        for_it = sum(1 for cast in people if cast.choice == winner)
        parts.append(f"{for_it} of {counted(len(people), 'person', 'people')} voted for it")
    return ", ".join(parts)


def _without(who: Participation, took_part: set[str]) -> str:
    causes = {one.agent: one.code for one in who.absent if one.agent not in took_part}
    told = [f"{agent}: {'abstained' if code == ABSTAINED else code}" for agent, code in causes.items()]
    return f" ({', '.join(told)})" if told else ""
