"""The control plane's adapter: what one workspace found out, told to others, and what others tell it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol

from aragora.knowledge.insights import CrossWorkspaceInsight, SharedInsight
from aragora.knowledge.model import Item, ItemKind
from aragora.knowledge.mound.adapters import client, task_outcomes

if TYPE_CHECKING:
    from aragora.knowledge.insight_exchange import Share


class Mound(client.Mound, Protocol):
    """The mound of an organisation (`aragora.knowledge.mound.open_mound`)."""

    async def share_insight(self, workspace: str, insight: CrossWorkspaceInsight) -> Share: ...

    async def received_insights(
        self, workspace: str, *, task_type: str | None = None, limit: int = 100
    ) -> Sequence[SharedInsight]: ...

    async def withdraw_insight(self, workspace: str, insight_id: str) -> SharedInsight: ...


class ControlPlaneAdapter(client.AdapterClient):
    """Speaks for one workspace. Every method raises Unavailable where the store of the mound is away.

    Args:
        knowledge_mound: of `open_mound`.
        workspace_id: the workspace's name.
    """

    name: ClassVar[str] = task_outcomes.NAME
    _mound: Mound

    def __init__(self, knowledge_mound: Mound, workspace_id: str) -> None:
        """Raises InvalidInput for what is no workspace's name."""
        super().__init__(knowledge_mound, workspace_id)

    async def failures(self, task_type: str, limit: int = 10) -> list[Item]:
        """Up to `limit` (1 to 100) failures of tasks that belong to a type, found by its words, the best first."""
        return await self._mound.find(self._workspace, task_type, (ItemKind.OUTCOME,), limit)

    async def share_insight_cross_workspace(self, insight: CrossWorkspaceInsight) -> Share:
        """Tell an insight of this workspace to those that it names. The answer says in `delivered` whether they are
        given it, and in `why` why they are not. Sharing it again changes nothing.

        Raises Forbidden where its source is another workspace; InvalidInput for an insight that is none, and for
        targets that there are not; Conflict where the id was used for another one, or it was withdrawn or forgotten.
        """
        return await self._mound.share_insight(self._workspace, insight)

    async def get_cross_workspace_insights(
        self, task_type: str | None = None, limit: int = 100
    ) -> list[CrossWorkspaceInsight]:
        """Up to `limit` (1 to 100) insights that other workspaces tell this one about a kind of task, or about any;
        newest first. Of their targets each names this workspace only. Raises InvalidInput."""
        given = await self._mound.received_insights(self._workspace, task_type=task_type, limit=limit)
        return [one.insight for one in given]

    async def withdraw_insight(self, insight_id: str) -> None:
        """Tell an insight of this workspace to nobody any more; again, nothing changes. Raises NotFound; Conflict where
        it is forgotten."""
        await self._mound.withdraw_insight(self._workspace, insight_id)
