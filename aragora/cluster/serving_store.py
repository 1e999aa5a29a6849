"""Which cluster serves a database, in the context `core`: one row with the address of its head's GCS, from its
deployment until its service has ended. The address is what stays the same when a cluster is started again.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import delete, select, update

from aragora.clock import Clock
from aragora.storage.database import Database
from aragora.storage.tables import insert_into, serving_cluster

_THE_ONE: Final = 1


class ServingStore:
    """Every method raises Unavailable where the database is away."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def head(self) -> str | None:
        """The head of the cluster that serves; None where none does."""
        async with self._database.reading("reading which cluster serves") as connection:
            found: str | None = (await connection.execute(select(serving_cluster.c.head))).scalar_one_or_none()
        return found

    async def claim(self, head: str) -> str:
        """Note this cluster where none is noted; returns the one that is noted then."""
        row = insert_into(self._database, serving_cluster).values(one=_THE_ONE, head=head, since=self._clock.now())
        async with self._database.writing("noting which cluster serves") as connection:
            await connection.execute(row.on_conflict_do_nothing(index_elements=["one"]))
            found: str = (await connection.execute(select(serving_cluster.c.head))).scalar_one()
        return found

    async def replace(self, old: str, new: str) -> bool:
        """Note `new` in the place of `old`. False where that one is not noted any more."""
        change = update(serving_cluster).where(serving_cluster.c.head == old)
        async with self._database.writing("noting which cluster serves") as connection:
            done = await connection.execute(change.values(head=new, since=self._clock.now()))
        return done.rowcount == 1

    async def release(self, head: str) -> None:
        """Forget this cluster; another one that is noted stays."""
        async with self._database.writing("noting that a cluster has ended its service") as connection:
            await connection.execute(delete(serving_cluster).where(serving_cluster.c.head == head))
