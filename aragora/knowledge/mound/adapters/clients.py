"""The adapters as the runbook names them, for programs of the operator's: what each has learnt of a workspace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from aragora.debate.hints import OfferedCrux, OfferedIssue, OfferedPrior
from aragora.debate.model import DebateSpec
from aragora.debate.protocol import preset
from aragora.knowledge.model import Item, ItemKind
from aragora.knowledge.mound.adapters import (
    belief,
    consensus,
    continuum,
    cost,
    critique,
    culture,
    elo,
    evidence,
    insights,
    pulse,
    ranking,
)
from aragora.knowledge.mound.adapters.client import AdapterClient
from aragora.knowledge.mound.adapters.continuum import Memory
from aragora.knowledge.mound.adapters.cost import Estimate
from aragora.knowledge.mound.adapters.culture import Suggestion
from aragora.knowledge.mound.adapters.elo import Model, Prior
from aragora.knowledge.mound.adapters.insights import Steadiness
from aragora.knowledge.mound.adapters.ranking import Expert
from aragora.knowledge.trending import DAYS, TOPICS

if TYPE_CHECKING:
    from aragora.knowledge.asked import Trending
    from aragora.knowledge.precedents import Settled
    from aragora.knowledge.revalidations import DebatedAgain

FOUND: Final = 10
"""Items that are given unless more are asked for."""


class ConsensusAdapter(AdapterClient):
    """What debates decided, and what they left open."""

    name: ClassVar[str] = consensus.NAME

    async def precedents(self, question: str, limit: int = FOUND) -> list[Item]:
        """Up to `limit` (1 to 100) decisions and open questions that belong to a question, found by its words, the best
        first."""
        kinds = (ItemKind.DECISION, ItemKind.OPEN_QUESTION)
        return await self._mound.find(self._workspace, question, kinds, limit)


class EvidenceAdapter(AdapterClient):
    """What answers rested on."""

    name: ClassVar[str] = evidence.NAME

    async def evidence(self, question: str, limit: int = FOUND) -> list[Item]:
        """Up to `limit` (1 to 100) pieces of evidence that belong to a question, found by its words, the best first."""
        return await self._mound.find(self._workspace, question, (ItemKind.EVIDENCE,), limit)


class ContinuumAdapter(AdapterClient):
    """What debates rest on again."""

    name: ClassVar[str] = continuum.NAME

    async def memories(self, item_ids: Sequence[str]) -> dict[str, Memory]:
        """What is remembered of each of up to 100 items that debates of the workspace have cited, by id."""
        items = await self._mound.items(self._workspace, item_ids)
        seen = await self._noted([item.item_id for item in items], continuum.READ)
        return continuum.by_item(items, ((one.key, continuum.read(one)) for one in seen), self._mound.now())


class CostAdapter(AdapterClient):
    """What debates took."""

    name: ClassVar[str] = cost.NAME

    async def estimate(
        self, agents: Sequence[str], protocol: str = "structured", rounds: int | None = None
    ) -> Estimate | None:
        """What half and nine of ten debates took that had this team, or as many agents, under this protocol; None where
        there were too few. Raises InvalidInput for a protocol that there is not."""
        planned = DebateSpec("", "", tuple(agents), preset(protocol, rounds), seed=0)
        seen = await self._noted((planned.protocol.name,), cost.READ)
        return cost.like(planned, [cost.read(one) for one in seen])


class CritiqueAdapter(AdapterClient):
    """What critics name, and what follows from it."""

    name: ClassVar[str] = critique.NAME

    async def checklist(self, domain: str = "general") -> Sequence[OfferedIssue]:
        """Up to five issues that critics of the domain's next debate would be asked to check, the best first."""
        return await self._mound.checklist(self._workspace, domain)


class BeliefAdapter(AdapterClient):
    """Where questions stand."""

    name: ClassVar[str] = belief.NAME

    async def priors(self, question: str, options: Sequence[str] = ()) -> Sequence[OfferedPrior]:
        """How likely each position of a question is by independent debates of it, of the options alone where there are
        any; none where fewer than two are."""
        found, _ = await self._mound.question(self._workspace, question, options)
        return found

    async def cruxes(self, question: str) -> Sequence[OfferedCrux]:
        """Up to three claims that divided the debates of a question, and that nobody has settled since."""
        _, found = await self._mound.question(self._workspace, question, ())
        return found


class EloAdapter(AdapterClient):
    """What models did. It changes no rating: those follow from journals alone."""

    name: ClassVar[str] = elo.NAME

    async def prior(self, agent: str, provider: str, model: str = "", domain: str = "general") -> Prior:
        """What to expect of an agent for which a model answers, by the domain's newest contested debates; `n` is 0
        where nothing is known of its model, nor of its provider."""
        seen = await self._noted((domain,), elo.READ)
        (found,) = elo.priors({agent: Model(provider, model)}, {one.debate_id: elo.read(one) for one in seen})
        return found


class InsightsAdapter(AdapterClient):
    """How agents come to agree."""

    name: ClassVar[str] = insights.NAME

    async def steadiness(self, agent: str) -> Steadiness | None:
        """How often an agent changes sides without new evidence, by its newest debates; None where these had too few
        rounds."""
        seen = await self._noted((agent,), insights.READ)
        return insights.steadiness(agent, {one.debate_id: insights.read(one) for one in seen})


class PulseAdapter(AdapterClient):
    """What is asked again."""

    name: ClassVar[str] = pulse.NAME

    async def settled(self, question: str) -> Settled | str:
        """What a question was settled on, and until when that is good; or in words why nothing is told."""
        return await self._mound.settled(self._workspace, question)

    async def scheduled(self, limit: int = 50) -> Sequence[DebatedAgain]:
        """Decisions that the server debates again by itself, up to `limit` (at most 200): those that wait first, in
        their turn, then the newest changes. None where it does not."""
        return await self._mound.revalidations(self._workspace, min(limit, 200))

    async def trending(self, days: int = DAYS, limit: int = TOPICS) -> Trending:
        """Up to `limit` (1 to 20) topics of the debates of the last `days` (1 to 90) days, the most recent first.
        Raises InvalidInput."""
        return await self._mound.trending(self._workspace, days, limit)


class RankingAdapter(AdapterClient):
    """Who does well in which domain."""

    name: ClassVar[str] = ranking.NAME

    async def experts(self, domain: str = "general") -> Sequence[Expert]:
        """The agents of the domain's newest contested debates, by the lower bound of the rate at which they won."""
        seen = await self._noted((domain,), ranking.READ)
        return ranking.experts({one.debate_id: ranking.read(one) for one in seen})


class CultureAdapter(AdapterClient):
    """How a workspace decides."""

    name: ClassVar[str] = culture.NAME

    async def suggestions(
        self, protocol: str = "structured", rounds: int | None = None, domain: str = "general"
    ) -> Sequence[Suggestion]:
        """The settings that would suit a debate under this protocol, each with its reason. Raises InvalidInput for a
        protocol that there is not."""
        planned = DebateSpec("", "", (), preset(protocol, rounds), seed=0, domain=domain)
        seen = await self._noted((planned.protocol.name,), culture.READ)
        return culture.suggestions(planned, [culture.read(one) for one in seen])
