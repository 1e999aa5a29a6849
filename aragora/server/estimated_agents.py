"""What an estimate says of agents, as the JSON of its answer, and the models that describe it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Annotated, Any, Final, Generic, Protocol, TypeVar

from pydantic import BaseModel, Field

from aragora import limits
from aragora.debate.model import DebateSpec
from aragora.encoding import to_plain
from aragora.errors import Unavailable
from aragora.knowledge.debaters import Rated, Team
from aragora.knowledge.mound.adapters import insights
from aragora.knowledge.mound.adapters.elo import Basis
from aragora.knowledge.mound.adapters.insights import Steadiness

T = TypeVar("T")

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

    async def rated(self, planned: DebateSpec) -> tuple[Rated, ...]:
        """How those who would debate are rated in the domain. Raises Unavailable."""
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


class TricksterView(BaseModel):
    suits: Annotated[bool, Field(description="whether a protocol with the Trickster suits those who would debate")]
    planned: Annotated[bool, Field(description="whether the planned one has it")]
    reason: str


class Changes(BaseModel):
    agents: Annotated[list[SteadinessView], Field(description="of those who would debate, the ones that are known")]
    trickster: Annotated[TricksterView | None, Field(description="what that says of it; null where nothing is sure")]
    why: Annotated[str, Field(description="why none of them is; empty where one is")]


class PriorView(BaseModel):
    agent: str
    basis: Annotated[Basis, Field(description="whose record it is: the agent's model's, its provider's, nobody's")]
    of: Annotated[str, Field(description="PROVIDER/MODEL, or the provider; empty where n is 0")]
    n: Annotated[int, Field(description="how often its agents answered in a contested debate of the domain")]
    won: Annotated[int, Field(description="of these, how often in the winning position")]
    rate: float | None
    low: Annotated[float, Field(description="of the 95 % interval of the rate")]
    high: float
    share: Annotated[float | None, Field(description="of the weight of votes, what its positions held on average")]


class RatedView(BaseModel):
    agent: str
    elo: Annotated[float | None, Field(description="its rating in the domain; null where it has none")]
    debates: Annotated[int, Field(description="that the rating rests on")]
    prior: Annotated[PriorView | None, Field(description="what to expect of it; null where it has a rating")]


class Ratings(BaseModel):
    agents: Annotated[list[RatedView], Field(description="those who would debate, each once")]
    why: Annotated[str, Field(description="why they are not told; empty where they are")]


class AgentsKnown(BaseModel):
    changes: Annotated[Changes, Field(description="how often they change sides without new evidence")]
    ratings: Annotated[Ratings, Field(description="how they are rated in the domain, or what to expect of them")]


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
    steady: _Told[Steadiness] = _Told((), off)
    rated: _Told[Rated] = _Told((), off)
    if debaters is not None:
        steady, rated = await asyncio.gather(
            _asked(debaters.steadiness(planned), TOO_FEW), _asked(debaters.rated(planned), "")
        )
    return {
        "changes": {**to_plain(steady), "trickster": _trickster(planned, steady.agents)},
        "ratings": to_plain(rated),
    }


@dataclass(frozen=True, slots=True)
class _Told(Generic[T]):
    agents: tuple[T, ...]
    why: str


async def _asked(asking: Awaitable[tuple[T, ...]], nothing: str) -> _Told[T]:
    try:
        found = await asking
    except Unavailable as away:
        return _Told((), away.message)
    return _Told(found, "" if found else nothing)


def _trickster(planned: DebateSpec, known: tuple[Steadiness, ...]) -> dict[str, Any] | None:
    found = insights.setting(known)
    if found is None:
        return None
    return {"suits": found.trickster, "planned": planned.protocol.trickster, "reason": found.reason}
