"""Estimates before a debate, over what the cost adapter noted."""

from __future__ import annotations

from aragora.config.settings import Settings
from aragora.knowledge.costs import Costs
from aragora.knowledge.store.observations import Observations
from aragora.server.chapters.estimates import EstimatePorts, Planner, estimates
from aragora.server.feature import Feature
from aragora.storage.database import Database


def open_estimates(settings: Settings, *, planner: Planner, memory: Database) -> Feature[EstimatePorts]:
    """Estimates over `memory`, the open store of the mound, which its owner closes."""
    costs = Costs(Observations(memory)) if settings.knowledge else None
    return Feature("estimates", EstimatePorts(planner, costs), chapters=(estimates,))
