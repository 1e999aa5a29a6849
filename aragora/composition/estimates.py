"""What is told before a debate, over what adapters noted."""

from __future__ import annotations

from aragora.agents.catalog import Catalog
from aragora.clock import SystemClock
from aragora.config.settings import Settings
from aragora.knowledge.costs import Costs
from aragora.knowledge.customs import Customs
from aragora.knowledge.debaters import Debaters
from aragora.knowledge.precedents import Precedents
from aragora.knowledge.store.observations import Observations
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.server.chapters.estimates import EstimatePorts, Planner, estimates
from aragora.server.feature import Feature
from aragora.server.foretelling import Known
from aragora.storage.database import Database


def open_estimates(settings: Settings, *, planner: Planner, memory: Database) -> Feature[EstimatePorts]:
    """Estimates over `memory`, the open store of the mound, which its owner closes."""
    if not settings.knowledge:
        return Feature("estimates", EstimatePorts(planner, None), chapters=(estimates,))
    noted = Observations(memory)
    ports = EstimatePorts(
        planner,
        costs=Costs(noted),
        debaters=Debaters(noted, CatalogedAgents(settings)),
        known=Known(Precedents(noted, KnowledgeReader(memory), SystemClock()), Customs(noted)),
    )
    return Feature("estimates", ports, chapters=(estimates,))


class CatalogedAgents:
    """The agents of the catalog, as estimates ask for them."""

    def __init__(self, settings: Settings) -> None:
        self._catalog = Catalog(settings)

    def available(self) -> tuple[str, ...]:
        return tuple(spec.name for spec in self._catalog.roster().specs)
