"""What every adapter is to a program of the operator's: how far it has come, and learning what waits."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol

from aragora.debate.hints import OfferedCrux, OfferedIssue, OfferedPrior
from aragora.knowledge.model import Item, ItemKind
from aragora.knowledge.observations import Observation
from aragora.knowledge.syncs import Standing, Synced
from aragora.scope import checked_workspace

if TYPE_CHECKING:
    from aragora.knowledge.asked import Trending
    from aragora.knowledge.precedents import Settled
    from aragora.knowledge.revalidations import DebatedAgain


class Mound(Protocol):
    """The mound of an organisation (`aragora.knowledge.mound.open_mound`)."""

    async def standing(self, adapter: str) -> Standing: ...

    async def sync(self, adapter: str) -> Synced: ...

    async def noted(self, workspace: str, adapter: str, keys: Collection[str], limit: int) -> list[Observation]: ...

    async def items(self, workspace: str, item_ids: Sequence[str]) -> list[Item]: ...

    async def find(self, workspace: str, question: str, kinds: Collection[ItemKind], limit: int) -> list[Item]: ...

    async def checklist(self, workspace: str, domain: str) -> Sequence[OfferedIssue]: ...

    async def question(
        self, workspace: str, question: str, options: Sequence[str]
    ) -> tuple[Sequence[OfferedPrior], Sequence[OfferedCrux]]: ...

    async def settled(self, workspace: str, question: str) -> Settled | str: ...

    async def revalidations(self, workspace: str, limit: int) -> Sequence[DebatedAgain]: ...

    async def trending(self, workspace: str, days: int, limit: int) -> Trending: ...

    def now(self) -> float: ...


class AdapterClient:
    """Speaks for one workspace. Every method raises Unavailable where the store is away.

    Args:
        knowledge_mound: of `open_mound`.
        workspace_id: the workspace's name.
    """

    name: ClassVar[str]

    def __init__(self, knowledge_mound: Mound, workspace_id: str) -> None:
        """Raises InvalidInput for what is no workspace's name."""
        self._mound = knowledge_mound
        self._workspace = checked_workspace(workspace_id)

    async def standing(self) -> Standing:
        """How far the adapter has come, in all workspaces: what waits for it, for how long, and its last round."""
        return await self._mound.standing(self.name)

    async def sync(self) -> Synced:
        """Have it learn what waits for it, of all workspaces, for 20 s at most, in this process; what it did."""
        return await self._mound.sync(self.name)

    async def _noted(self, keys: Collection[str], limit: int) -> list[Observation]:
        """What it noted under these keys in the workspace, the newest first."""
        return await self._mound.noted(self._workspace, self.name, keys, limit)
