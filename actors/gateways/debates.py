"""Commands to debates: checked here, without a hop, then carried out by the coordinator shard that owns the debate."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from actors.kinds import COORDINATOR
from actors.runtime import Reference, Runtime
from aragora.agents.guests import Guests
from aragora.agents.specifying import Specifying
from aragora.clock import Clock, SystemClock
from aragora.config.settings import Settings
from aragora.debate.forecast import forecast
from aragora.debate.machine.gate import Signer, Word
from aragora.debate.model import DebateSpec, Standing
from aragora.debate.proposition import Idempotency, Proposition
from aragora.debate.sharding import owner
from aragora.encoding import decode_as
from aragora.ids import new_id
from aragora.ranking.store import RatingStore, scope_of
from aragora.server.ports import DebateTicket

if TYPE_CHECKING:
    from actors.coordinator import CoordinatorActor

TIMEOUT_S: Final = 30.0


class CoordinatorCommands:
    """Fulfils `aragora.server.ports.DebateCommands`."""

    def __init__(self, runtime: Runtime, settings: Settings, ratings: RatingStore, clock: Clock | None = None) -> None:
        self._runtime = runtime
        self._shards = settings.coordinator_shards
        self._specifying = Specifying(settings)
        self._ratings = ratings
        self._guests = Guests()
        self._clock = clock or SystemClock()

    async def plan(self, proposition: Proposition) -> DebateSpec:
        """The debate that a proposition would open, without the standings of its agents. Raises InvalidInput."""
        return self._specifying.specified(proposition).spec

    async def open(
        self, proposition: Proposition, idempotency: Idempotency | None = None, debate_id: str | None = None
    ) -> DebateTicket:
        roster = self._specifying.catalog.roster()
        spec = self._specifying.specified(proposition, debate_id).spec
        self._guests.admit((name for name in spec.agents if not roster.vouches_for(name)), self._clock.monotonic())
        spec = replace(spec, standings=await self._standings(spec.agents, scope_of(spec.org_id, spec.domain)))
        opened = await self._of(spec.debate_id).ask(lambda it: it.open(spec, idempotency), timeout_s=TIMEOUT_S)
        kept = spec if opened.created else decode_as(opened.record.spec, DebateSpec)
        return DebateTicket(
            opened.record.debate_id,
            opened.record.status,
            opened.created,
            kept.budget_usd,
            forecast(kept),
            kept.suggested,
        )

    async def cancel(self, debate_id: str, by: str) -> DebateTicket:
        status = await self._of(debate_id).ask(lambda it: it.cancel(debate_id, by), timeout_s=TIMEOUT_S)
        return DebateTicket(debate_id, status)

    async def vote(self, debate_id: str, person: str, choice: str, intensity: int) -> int:
        vote_id = new_id("vote")
        return await self._of(debate_id).ask(
            lambda it: it.vote(debate_id, person, choice, intensity, vote_id), timeout_s=TIMEOUT_S
        )

    async def sign(self, debate_id: str, signer: Signer, word: Word) -> int:
        signature_id = new_id("signature")
        return await self._of(debate_id).ask(
            lambda it: it.sign(debate_id, signer, word, signature_id), timeout_s=TIMEOUT_S
        )

    async def correct(self, debate_id: str, person: str, groups: tuple[tuple[str, ...], ...]) -> int:
        correction_id = new_id("correction")
        return await self._of(debate_id).ask(
            lambda it: it.correct(debate_id, person, groups, correction_id), timeout_s=TIMEOUT_S
        )

    async def suggest(self, debate_id: str, person: str, text: str) -> int:
        suggestion_id = new_id("suggestion")
        return await self._of(debate_id).ask(
            lambda it: it.suggest(debate_id, person, text, suggestion_id), timeout_s=TIMEOUT_S
        )

    async def _standings(self, agents: tuple[str, ...], domain: str) -> dict[str, Standing]:
        known = await self._ratings.load(agents, domain)
        return {
            agent: Standing(rating.elo, 0.5 if rating.calibration is None else rating.calibration)
            for agent, rating in known.items()
        }

    def _of(self, debate_id: str) -> Reference[CoordinatorActor]:
        """The coordinator that owns a debate."""
        return self._runtime.at(COORDINATOR, str(owner(debate_id, self._shards)))
