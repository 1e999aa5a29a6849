"""What is told before a debate, over what adapters noted."""

from __future__ import annotations

from aragora.agents.catalog import Catalog
from aragora.clock import SystemClock
from aragora.config.settings import Settings
from aragora.errors import InvalidInput, NotFound
from aragora.knowledge.costs import Costs
from aragora.knowledge.customs import Customs
from aragora.knowledge.debaters import Debaters
from aragora.knowledge.mound.adapters.elo import Model
from aragora.knowledge.precedents import Precedents
from aragora.knowledge.store.observations import Observations
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.ranking.store import RatingStore
from aragora.server.chapters.estimates import EstimatePorts, estimates
from aragora.server.feature import Feature
from aragora.server.foretelling import Known
from aragora.server.suggested import Planner
from aragora.storage.database import Database


def open_estimates(
    settings: Settings, *, planner: Planner, memory: Database, ratings: RatingStore
) -> Feature[EstimatePorts]:
    """Estimates over `memory`, the open store of the mound, which its owner closes, and the `ratings` of agents."""
    if not settings.knowledge:
        return Feature("estimates", EstimatePorts(planner, None), chapters=(estimates,))
    noted = Observations(memory)
    ports = EstimatePorts(
        planner,
        costs=Costs(noted),
        debaters=Debaters(noted, CatalogedAgents(settings), ratings),
        known=Known(Precedents(noted, KnowledgeReader(memory), SystemClock()), Customs(noted)),
    )
    return Feature("estimates", ports, chapters=(estimates,))


class CatalogedAgents:
    """The agents of the catalog, as estimates ask for them."""

    def __init__(self, settings: Settings) -> None:
        self._catalog = Catalog(settings)

    def available(self) -> tuple[str, ...]:
        return tuple(spec.name for spec in self._catalog.roster().specs)

    def model_of(self, agent: str) -> Model | None:
        try:
            spec = self._catalog.roster().spec_of(agent)
        except (InvalidInput, NotFound):
            return None
        return Model(spec.provider, spec.model)
