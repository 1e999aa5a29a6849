"""The switches of workspaces: whether their debates are offered knowledge."""

from __future__ import annotations

from typing import Final

from sqlalchemy import func, select

from aragora.knowledge.model import SEARCHED, Home
from aragora.knowledge.store.tables import knowledge_items, knowledge_workspaces
from aragora.scope import Scope
from aragora.storage.database import Database
from aragora.storage.tables import insert_into

WORKSPACES_MAX: Final = 1_000  # told at once

_OF: Final = knowledge_workspaces.c


class WorkspaceSwitches:
    """Over the database of context `aragora_memory`. Raises Unavailable where that is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self, scope: Scope) -> dict[str, bool]:
        """Whether debates are offered knowledge, by workspace of the scope, as far as anything is known of it."""
        query = select(_OF.workspace, _OF.offers).where(_OF.org_id == scope.org_id).order_by(_OF.workspace)
        if scope.workspaces is not None:
            query = query.where(_OF.workspace.in_(sorted(scope.workspaces)))
        rows = await self._database.rows(query.limit(WORKSPACES_MAX), "reading workspaces")
        return {row.workspace: bool(row.offers) for row in rows}

    async def counts(self, scope: Scope) -> dict[str, int]:
        """How many items that are searched there are, by workspace."""
        table = knowledge_items.c
        query = select(table.workspace, func.count()).where(
            table.org_id == scope.org_id, table.status.in_(sorted(SEARCHED))
        )
        if scope.workspaces is not None:
            query = query.where(table.workspace.in_(sorted(scope.workspaces)))
        rows = await self._database.rows(query.group_by(table.workspace), "counting items")
        return {row[0]: row[1] for row in rows}

    async def put(self, home: Home, *, offers: bool) -> None:
        """Say whether debates of the workspace are offered knowledge."""
        new = insert_into(self._database, knowledge_workspaces).values(
            org_id=home.org_id, workspace=home.workspace, seq=0, offers=offers
        )
        kept = new.on_conflict_do_update(index_elements=["org_id", "workspace"], set_={"offers": offers})
        async with self._database.writing("writing a workspace") as connection:
            await connection.execute(kept)
