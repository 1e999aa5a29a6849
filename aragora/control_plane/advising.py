"""Which agents to give a kind of task to: from outcomes, or in the order of the catalogue where that is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol

from aragora.agents.breaker_store import BreakerStore
from aragora.agents.catalog import Catalog
from aragora.clock import Clock
from aragora.config.settings import Settings
from aragora.control_plane.recommending import Recommendation, concerns, recommend, unjudged
from aragora.control_plane.store.tasks import ATTEMPTS_RETAINED_S, TaskStore
from aragora.resilience.circuit_breaker import BreakerState
from aragora.scope import Scope

ADVISED_MAX: Final = 100
ADVISED: Final = 20
OUTCOMES_MAX: Final = 50_000
"""Attempts that one recommendation looks at: the newest."""
DEBATE: Final = "debate"
"""What every agent of the catalogue can do."""


class Basis(StrEnum):
    """What the order of a recommendation rests on."""

    OUTCOMES = "outcomes"
    CATALOGUE = "catalogue"  # CP_ENABLE_KM is false: nothing is learnt from outcomes


@dataclass(frozen=True, slots=True)
class Listed:
    """An agent of the catalogue. `barred`: its circuit breaker is open, it is not asked now."""

    agent_id: str
    barred: bool


class Roster(Protocol):
    """The agents of the catalogue, the better ones first."""

    async def listed(self) -> Sequence[Listed]:
        """Raises Unavailable."""
        ...


class CatalogueRoster:
    """Fulfils `Roster`: the agents by settings and agents.toml, and their circuit breakers as stored."""

    def __init__(self, settings: Settings, breakers: BreakerStore) -> None:
        self._catalog = Catalog(settings)
        self._breakers = breakers

    async def listed(self) -> Sequence[Listed]:
        rows = await self._breakers.all()
        barred = {agent for agent, (row, _) in rows.items() if row.state == BreakerState.OPEN}
        return [Listed(spec.name, spec.name in barred) for spec in self._catalog.roster().specs]


@dataclass(frozen=True, slots=True)
class Advised:
    """An agent that is recommended. `barred`: its circuit breaker is open; it keeps its place."""

    known: Recommendation
    in_catalogue: bool
    barred: bool


@dataclass(frozen=True, slots=True)
class Advice:
    """Agents for what is `wanted`, a type of task or a capability; the best first, or in the catalogue's order."""

    wanted: str
    basis: Basis
    agents: tuple[Advised, ...]


class Advising:
    """Recommends agents from the outcomes in `store`. `learns` False: in the order of the catalogue."""

    def __init__(self, store: TaskStore, roster: Roster, clock: Clock, *, learns: bool) -> None:
        self._store = store
        self._roster = roster
        self._clock = clock
        self._learns = learns

    async def advise(self, scope: Scope, wanted: str, limit: int = ADVISED) -> Advice:
        """At most `limit` agents for what is wanted: those that have tried it within the scope, those that are
        registered there as able to do it, and for debates those of the catalogue. Raises Unavailable."""
        listed = await self._roster.listed()
        able = [one.agent_id for one in await self._store.agents(scope) if wanted in one.capabilities]
        also = list(dict.fromkeys([*(one.agent_id for one in listed if wanted == DEBATE), *able]))
        if self._learns:
            basis, found = Basis.OUTCOMES, await self._learnt(scope, wanted, also)
        else:
            places = {one.agent_id: place for place, one in enumerate(listed)}
            also.sort(key=lambda agent_id: (places.get(agent_id, len(places)), agent_id))
            basis, found = Basis.CATALOGUE, [unjudged(agent_id) for agent_id in also]
        barred = {one.agent_id: one.barred for one in listed}
        agents = (Advised(one, one.agent_id in barred, barred.get(one.agent_id, False)) for one in found[:limit])
        return Advice(wanted, basis, tuple(agents))

    async def _learnt(self, scope: Scope, wanted: str, also: Sequence[str]) -> list[Recommendation]:
        now = self._clock.now()
        tried = await self._store.outcomes(scope, now - ATTEMPTS_RETAINED_S, OUTCOMES_MAX, wanted=wanted)
        return recommend((one for one in tried if concerns(one, wanted)), now, also=also)


def told(advice: Advice) -> list[dict[str, Any]]:
    """The agents of an advice for callers, in its order. Latencies are in milliseconds unless their name says
    otherwise; `last_seen` is in seconds since the epoch; `confidence` is the lower end of the interval."""
    return [_told(advice, one) for one in advice.agents]


def _told(advice: Advice, one: Advised) -> dict[str, Any]:
    known = one.known
    return {
        "agent_id": known.agent_id,
        "capability": advice.wanted,
        "success_rate": known.mean,
        "avg_duration_seconds": None if known.mean_latency_ms is None else known.mean_latency_ms / 1_000,
        "confidence": known.low,
        "trials": known.trials,
        "successes": known.successes,
        "mean": known.mean,
        "interval": [known.low, known.high],
        "median_latency_ms": known.latency_ms,
        "mean_cost_usd": known.cost_usd,
        "last_seen": known.last_seen,
        "in_catalogue": one.in_catalogue,
        "breaker_open": one.barred,
        "basis": advice.basis.value,
    }
