"""A decision in words: the first line that people read, who stands behind the answer, and how it was counted."""

from __future__ import annotations

import re
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


_MARKS: Final = re.compile(
    "[\"'`\u00ab\u00b4\u00bb\u02b9-\u02bd\u02dd\u02ee\u05f3\u05f4\u2018-\u201f\u2032-\u2037\u2039\u203a\u2057\u275b-\u275e\u2e42"
    "\u301d-\u301f\uff02\uff07\U0001f676-\U0001f678]+"
)
"""Whatever may be read as a quotation mark."""
_TURNS: Final = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Characters that turn the direction in which the text after them is read."""


def quoted(text: str) -> str:
    """Words of a person, an agent or a server, as they may stand in a sentence of ours: on one line, and in quotation
    marks that they cannot close."""
    line = " ".join(_TURNS.sub("", text).split())
    return '"' + _MARKS.sub("'", line) + '"'


def headline(state: DebateState, who: Participation, support: str, position: str, *, reached: bool) -> str:
    """What was decided and by how many, in one line; a degraded result says so first."""
    verdict = "Decided" if reached else "Not decided"
    if reached and state.spec.options:
        verdict = f"Decided for {quoted(position)}"
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
        told.append(f"All answers come from one model, {quoted(who.models[0])}.")
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
    causes: dict[str, str] = {}
    for one in who.absent:
        if one.agent in who.asked and one.agent not in took_part:
            causes.setdefault(one.agent, one.code)  # why it gave no answer, rather than what it missed after that
    told = [f"{agent}: {'abstained' if code == ABSTAINED else code}" for agent, code in causes.items()]
    return f" ({', '.join(told)})" if told else ""
