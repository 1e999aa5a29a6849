"""Who owns a coordinator shard: the process that started last. Every start takes the next epoch."""

from __future__ import annotations

from sqlalchemy import select

from aragora.debate.store.tables import shard_epochs
from aragora.storage.database import Database
from aragora.storage.tables import insert_into


class ShardEpochs:
    """Kept in the context `debates`. Every method raises Unavailable where the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def advance(self, shard: int) -> int:
        """Take the shard: the new epoch, higher than any before it."""
        taking = (
            insert_into(self._database, shard_epochs)
            .values(shard=shard, epoch=1)
            .on_conflict_do_update(index_elements=["shard"], set_={"epoch": shard_epochs.c.epoch + 1})
        )
        async with self._database.writing("taking a coordinator shard") as connection:
            epoch: int = (await connection.execute(taking.returning(shard_epochs.c.epoch))).scalar_one()
        return epoch

    async def current(self, shard: int) -> int:
        """The epoch of the shard's owner; 0 before the first."""
        query = select(shard_epochs.c.epoch).where(shard_epochs.c.shard == shard)
        found = await self._database.rows(query, "reading the owner of a coordinator shard")
        return found[0].epoch if found else 0
