"""Commands to debates: checked here, without a hop, then carried out by the coordinator shard that owns the debate."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from actors.runtime import Runtime
from aragora.agents import catalog
from aragora.config.settings import Settings
from aragora.debate.model import Standing
from aragora.debate.proposition import Idempotency, Pace, Proposition, specification
from aragora.debate.records import Opened
from aragora.debate.sharding import owner
from aragora.ids import new_id
from aragora.ranking.store import RatingStore
from aragora.server.ports import DebateTicket

TIMEOUT_S: Final = 30.0
EMBEDDED_PACE: Final = Pace(phase_deadline_s=300.0, grace_s=120.0)
"""Embedded agents share one model: they answer one after the other, so the last is slow although nothing is wrong."""


class CoordinatorCommands:
    """Fulfils `aragora.server.ports.DebateCommands`."""

    def __init__(self, runtime: Runtime, settings: Settings, ratings: RatingStore) -> None:
        self._runtime = runtime
        self._shards = settings.coordinator_shards
        specs = catalog.available(settings)
        self._available = tuple(spec.name for spec in specs)
        self._embedded = frozenset(spec.name for spec in specs if spec.provider == "embedded")
        self._default_team = catalog.default_team(settings)
        self._ratings = ratings

    async def open(self, proposition: Proposition, idempotency: Idempotency | None = None) -> DebateTicket:
        team = proposition.agents or self._default_team
        spec = specification(
            proposition,
            new_id("deb"),
            available=self._available,
            default_team=self._default_team,
            pace=EMBEDDED_PACE if self._embedded.intersection(team) else None,
        )
        spec = replace(spec, standings=await self._standings(spec.agents, spec.domain))
        opened: Opened = await self._ask(spec.debate_id, "open", spec, idempotency)
        return DebateTicket(opened.record.debate_id, opened.record.status, opened.created)

    async def cancel(self, debate_id: str, by: str) -> DebateTicket:
        return DebateTicket(debate_id, await self._ask(debate_id, "cancel", debate_id, by))

    async def vote(self, debate_id: str, person: str, choice: str, intensity: int) -> int:
        seq: int = await self._ask(debate_id, "vote", debate_id, person, choice, intensity, new_id("vote"))
        return seq

    async def suggest(self, debate_id: str, person: str, text: str) -> int:
        seq: int = await self._ask(debate_id, "suggest", debate_id, person, text, new_id("suggestion"))
        return seq

    async def _standings(self, agents: tuple[str, ...], domain: str) -> dict[str, Standing]:
        known = await self._ratings.load(agents, domain)
        return {
            agent: Standing(rating.elo, 0.5 if rating.calibration is None else rating.calibration)
            for agent, rating in known.items()
        }

    async def _ask(self, debate_id: str, method: str, *args: Any) -> Any:
        shard = str(owner(debate_id, self._shards))
        return await self._runtime.ask("coordinator", shard, method, *args, timeout_s=TIMEOUT_S)
