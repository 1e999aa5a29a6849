"""The debate that a proposition would open, with the agents that there are now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from aragora.agents import naming
from aragora.agents.catalog import Catalog
from aragora.agents.model import AgentSpec
from aragora.agents.pricing import highest_price
from aragora.config.settings import Settings
from aragora.debate.budget import BudgetRule
from aragora.debate.model import DebateSpec
from aragora.debate.proposition import Pace, Proposition, specification
from aragora.ids import new_id

EMBEDDED_PACE: Final = Pace(phase_deadline_s=300.0, grace_s=120.0)
"""Embedded agents share one model and answer one after the other: the last answer is slow although nothing is wrong."""


@dataclass(frozen=True, slots=True)
class Specified:
    """A debate to open, without the standings of its agents, and the agents as they are configured."""

    spec: DebateSpec
    team: tuple[AgentSpec, ...]


class Specifying:
    """Over the agents and the budget rule of the settings."""

    def __init__(self, settings: Settings) -> None:
        self.catalog = Catalog(settings)
        self._budget = BudgetRule(settings.default_budget_usd, settings.max_budget_usd)

    def specified(self, proposition: Proposition, debate_id: str | None = None) -> Specified:
        """The debate that a proposition would open under this id, or a new one. Raises InvalidInput."""
        team = self.catalog.roster().debaters(proposition.agents)
        return Specified(self._of(proposition, team, debate_id or new_id("deb")), tuple(team))

    def _of(self, proposition: Proposition, team: Sequence[AgentSpec], debate_id: str) -> DebateSpec:
        names = tuple(spec.name for spec in team)
        prices = {agent.name: price for agent in team if (price := highest_price(agent)) is not None}
        return specification(
            proposition if proposition.agents == names else replace(proposition, agents=names),
            debate_id,
            available=names,
            default_team=names,
            budget=self._budget,
            free=not prices,
            pace=EMBEDDED_PACE if any(agent.provider == naming.EMBEDDED for agent in team) else None,
            prices=prices,
        )
