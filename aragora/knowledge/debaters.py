"""What is known of agents, as somebody asks who plans a debate: the way out of the adapters that are about agents."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from aragora.debate.model import DebateSpec
from aragora.knowledge.bounded import LIMIT_S, Noted, bounded_look, readable
from aragora.knowledge.model import Home
from aragora.knowledge.mound.adapters import elo, insights, ranking
from aragora.knowledge.mound.adapters.elo import Model, Prior
from aragora.knowledge.mound.adapters.insights import Steadiness
from aragora.knowledge.mound.adapters.ranking import Expert, Member
from aragora.knowledge.observations import Observation
from aragora.ranking.store import StoredRating, scope_of

T = TypeVar("T")


class Agents(Protocol):
    """Knows which agents there are."""

    def available(self) -> tuple[str, ...]:
        """The names of those that can debate now."""
        ...

    def model_of(self, agent: str) -> Model | None:
        """Who answers for it; None where it is not there any more."""
        ...


class Ratings(Protocol):
    """Knows who is rated (`aragora.ranking.store.RatingStore`)."""

    async def load(self, agents: Sequence[str], domain: str) -> Mapping[str, StoredRating]: ...


@dataclass(frozen=True, slots=True)
class Team:
    """Who is known in a domain, from so many contested `debates`, and whom that suggests; `why` nobody, where they are
    too few."""

    debates: int = 0
    experts: tuple[Expert, ...] = ()
    members: tuple[Member, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Rated:
    """An agent in a domain: its rating from so many `debates` of its organisation, or else what to expect of it."""

    agent: str
    elo: float | None
    debates: int
    prior: Prior | None


class Debaters:
    """Over what was noted. Every method raises Unavailable where the store is away, or takes longer than the limit."""

    def __init__(self, noted: Noted, agents: Agents, ratings: Ratings, *, limit_s: float = LIMIT_S) -> None:
        self._noted = noted
        self._agents = agents
        self._ratings = ratings
        self._limit_s = limit_s

    async def team(self, planned: DebateSpec, *, named: bool) -> Team:
        """Who is known in the domain of the planned debate, by the newest debates of its workspace, and a team of them
        where the request has not `named` its agents."""
        async with bounded_look(self._limit_s, "who does well"):
            seen = await self._read(planned, ranking.NAME, planned.domain, ranking.READ, ranking.read)
        known, debates = ranking.experts(seen), ranking.contested(seen.values())
        if named:
            return Team(debates, known)
        if debates < ranking.LEAST:
            return Team(debates, known, why=_too_few(planned.domain))
        return Team(debates, known, ranking.team(planned, known, self._agents.available()))

    async def steadiness(self, planned: DebateSpec) -> tuple[Steadiness, ...]:
        """How often those who would debate flip, by the newest debates of each in the workspace; of who was seen in too
        few rounds nothing."""
        async with bounded_look(self._limit_s, "how agents come to agree"):
            read = (self._read(planned, insights.NAME, agent, insights.READ, insights.read) for agent in planned.agents)
            seen = await asyncio.gather(*read)
        told = map(insights.steadiness, planned.agents, seen)
        return tuple(one for one in told if one is not None)

    async def rated(self, planned: DebateSpec) -> tuple[Rated, ...]:
        """The ratings of those who would debate, in the domain; of who has none, what its model or provider did there
        in the newest contested debates of the workspace."""
        async with bounded_look(self._limit_s, "how agents are rated"):
            rated, seen = await asyncio.gather(
                self._ratings.load(planned.agents, scope_of(planned.org_id, planned.domain)),
                self._read(planned, elo.NAME, planned.domain, elo.READ, elo.read),
            )
        has = {agent: one for agent, one in rated.items() if one.debates}
        unrated = {agent: self._agents.model_of(agent) for agent in planned.agents if agent not in has}
        priors = {one.agent: one for one in elo.priors(unrated, seen)}
        return tuple(
            Rated(agent, has[agent].elo, has[agent].debates, None)
            if agent in has
            else Rated(agent, None, 0, priors[agent])
            for agent in planned.agents
        )

    async def _read(
        self, planned: DebateSpec, adapter: str, key: str, limit: int, read: Callable[[Observation], T]
    ) -> dict[str, T]:
        """What an adapter noted of the newest debates of a key, by their ids."""
        seen = await self._noted.newest(Home(planned.org_id, planned.workspace), adapter, key, limit)
        return dict(readable(seen, lambda one: (one.debate_id, read(one))))


def _too_few(domain: str) -> str:
    return f"fewer than {ranking.LEAST} contested debates in {domain} have ended in this workspace"
