"""The shards of the coordinators: which one a debate belongs to, and which process owns one.

Debates are spread by rendezvous hashing (Thaler and Ravishankar, 1998): every shard draws a weight for the debate, and
the heaviest owns it. When the number of shards changes by one, only the debates of that shard move. A shard belongs to
the process that started last: every start takes the next epoch.
"""

from __future__ import annotations

from hashlib import blake2b

from sqlalchemy import select

from aragora.debate.store.tables import shard_epochs
from aragora.storage.database import Database
from aragora.storage.tables import insert_into


def owner(debate_id: str, shards: int) -> int:
    """The shard 0..shards-1 that owns `debate_id`; the same in every process and at every start."""
    if shards == 1:
        return 0
    return max(range(shards), key=lambda shard: blake2b(f"{shard}:{debate_id}".encode(), digest_size=8).digest())


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
