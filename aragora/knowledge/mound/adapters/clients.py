"""The adapters as the runbook names them, for programs of the operator's: what each has learnt of a workspace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from aragora.debate.model import DebateSpec
from aragora.debate.protocol import preset
from aragora.knowledge.model import Item, ItemKind
from aragora.knowledge.mound.adapters import consensus, continuum, cost, evidence
from aragora.knowledge.mound.adapters.client import AdapterClient
from aragora.knowledge.mound.adapters.continuum import Memory
from aragora.knowledge.mound.adapters.cost import Estimate

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
