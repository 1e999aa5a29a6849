"""The workspaces that were made in organisations: names, and nothing that hangs on them."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from aragora import limits
from aragora.errors import Conflict
from aragora.identity.store.tables import workspaces
from aragora.scope import DEFAULT_WORKSPACE, EVERY_WORKSPACE
from aragora.storage.database import Database
from aragora.storage.tables import insert_into


class WorkspaceStore:
    """Workspaces in the context `users`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def names(self, org_id: str) -> list[str]:
        """The names that were made in the organisation, in their order. Raises Unavailable."""
        query = select(workspaces.c.name).where(workspaces.c.org_id == org_id).order_by(workspaces.c.name)
        return [row[0] for row in await self._database.rows(query)]

    async def note(self, connection: AsyncConnection, org_id: str, names: Collection[str], by: str, now: float) -> bool:
        """Make those of the names that there are not yet, within a transaction of the caller. Returns whether there
        was one. Raises Conflict where the organisation has too many then."""
        made = False
        for name in names:
            if name in (DEFAULT_WORKSPACE, EVERY_WORKSPACE):
                continue
            row = {"org_id": org_id, "name": name, "created_at": now, "created_by": by}
            added = insert_into(self._database, workspaces).values(row).on_conflict_do_nothing()
            made |= (await connection.execute(added)).rowcount == 1
        if made:
            query = select(func.count()).select_from(workspaces).where(workspaces.c.org_id == org_id)
            if int((await connection.execute(query)).scalar_one()) > limits.WORKSPACES_MAX:
                raise Conflict(f"An organisation has {limits.WORKSPACES_MAX} workspaces at most.")
        return made
