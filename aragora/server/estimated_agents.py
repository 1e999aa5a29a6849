"""What an estimate says of agents, as the JSON of its answer, and the models that describe it."""

from __future__ import annotations

from typing import Annotated, Any, Final, Protocol

from pydantic import BaseModel, Field

from aragora import limits
from aragora.debate.model import DebateSpec
from aragora.encoding import to_plain
from aragora.errors import Unavailable
from aragora.knowledge.debaters import Team
from aragora.knowledge.mound.adapters import insights
from aragora.knowledge.mound.adapters.insights import Steadiness

SHOWN: Final = limits.AGENTS_MAX
"""Experts of a domain that are shown."""
TOO_FEW: Final = f"none of these agents was seen in {insights.LEAST} rounds in which it could change sides"


class Debaters(Protocol):
    """Knows how agents fared (`aragora.knowledge.debaters.Debaters`)."""

    async def team(self, planned: DebateSpec, *, named: bool) -> Team:
        """Who is known in the domain of the planned debate, and a team where the request has `named` none. Raises
        Unavailable."""
        ...

    async def steadiness(self, planned: DebateSpec) -> tuple[Steadiness, ...]:
        """How often those who would debate flip. Raises Unavailable."""
        ...


class ExpertView(BaseModel):
    agent: str
    debates: Annotated[int, Field(description="contested debates of the domain in which it was asked")]
    won: Annotated[int, Field(description="of these, in how many it stood in the winning position")]
    rate: float
    low: Annotated[float, Field(description="of the 95 % interval of the rate; experts are ordered by it")]
    high: float
    failures: Annotated[int, Field(description="asks that it failed")]
    abstentions: Annotated[int, Field(description="asks that it abstained from")]


class MemberView(BaseModel):
    agent: str
    reason: str


class SuggestedTeam(BaseModel):
    domain: str
    debates: Annotated[int, Field(description="contested debates of the domain that were looked at, the newest")]
    experts: Annotated[list[ExpertView], Field(description=f"the surest first, {SHOWN} at most")]
    suggested: Annotated[
        list[MemberView],
        Field(description="as many as would debate, where the request names no agents; nothing follows from it"),
    ]
    why: Annotated[str, Field(description="why none is suggested; empty where one is, or agents are named")]


class SteadinessView(BaseModel):
    agent: str
    debates: int
    rounds: Annotated[int, Field(description="in which it answered and could change sides")]
    moves: Annotated[int, Field(description="of these, in how many it did")]
    flips: Annotated[int, Field(description="of these, in how many its answer named no evidence that was new")]
    rate: Annotated[float, Field(description="flips by rounds")]
    low: Annotated[float, Field(description="of the 95 % interval of the rate")]
    high: float
    challenges: Annotated[int, Field(description="how often the Trickster challenged an agreement that it was part of")]
    turned: Annotated[int, Field(description="of these, after how many it changed sides")]


class Changes(BaseModel):
    agents: Annotated[list[SteadinessView], Field(description="of those who would debate, the ones that are known")]
    why: Annotated[str, Field(description="why none of them is; empty where one is")]


class AgentsKnown(BaseModel):
    changes: Annotated[Changes, Field(description="how often they change sides without new evidence")]


async def team_of(debaters: Debaters | None, planned: DebateSpec, *, named: bool, off: str) -> dict[str, Any]:
    """The member `team` of an estimate. Where it cannot be told it says why: `off` where nothing is learnt."""
    found, why = Team(), off
    if debaters is not None:
        try:
            found = await debaters.team(planned, named=named)
        except Unavailable as away:
            why = away.message
        else:
            why = found.why
    return {
        "domain": planned.domain,
        "debates": found.debates,
        "experts": to_plain(found.experts[:SHOWN]),
        "suggested": to_plain(found.members),
        "why": why,
    }


async def agents_known(debaters: Debaters | None, planned: DebateSpec, *, off: str) -> dict[str, Any]:
    """The member `agents_known` of an estimate. What cannot be told says why: `off` where nothing is learnt."""
    return {"changes": await _changes(debaters, planned, off)}


async def _changes(debaters: Debaters | None, planned: DebateSpec, off: str) -> dict[str, Any]:
    if debaters is None:
        return {"agents": [], "why": off}
    try:
        found = await debaters.steadiness(planned)
    except Unavailable as away:
        return {"agents": [], "why": away.message}
    return {"agents": to_plain(found), "why": "" if found else TOO_FEW}
