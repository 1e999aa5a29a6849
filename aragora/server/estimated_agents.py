"""What an estimate says of agents, as the JSON of its answer, and the models that describe it."""

from __future__ import annotations

from typing import Annotated, Any, Final, Protocol

from pydantic import BaseModel, Field

from aragora import limits
from aragora.debate.model import DebateSpec
from aragora.encoding import to_plain
from aragora.errors import Unavailable
from aragora.knowledge.debaters import Team

SHOWN: Final = limits.AGENTS_MAX
"""Experts of a domain that are shown."""


class Debaters(Protocol):
    """Knows how agents fared (`aragora.knowledge.debaters.Debaters`)."""

    async def team(self, planned: DebateSpec, *, named: bool) -> Team:
        """Who is known in the domain of the planned debate, and a team where the request has `named` none. Raises
        Unavailable."""
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
