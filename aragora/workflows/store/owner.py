"""Who owns all executions: the runner that started last. Every start takes the next epoch."""

from __future__ import annotations

from sqlalchemy import select

from aragora.storage.database import Database
from aragora.storage.tables import insert_into
from aragora.workflows.store.tables import workflow_owner


class WorkflowOwner:
    """Kept in the context `workflows`. Every method raises Unavailable where the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def advance(self) -> int:
        """Take all executions: the new epoch, higher than any before it. Transactions of the owner before are over
        when this returns, and none of its later ones writes anything."""
        taking = (
            insert_into(self._database, workflow_owner)
            .values(one=1, epoch=1)
            .on_conflict_do_update(index_elements=["one"], set_={"epoch": workflow_owner.c.epoch + 1})
        )
        async with self._database.writing("taking the executions of workflows") as connection:
            epoch: int = (await connection.execute(taking.returning(workflow_owner.c.epoch))).scalar_one()
        return epoch

    async def current(self) -> int:
        """The owner's epoch; 0 before the first."""
        found = await self._database.rows(select(workflow_owner.c.epoch), "reading the owner of executions")
        return found[0].epoch if found else 0
