"""Which stores were encrypted whole: from then on a secret that rests in plaintext in them is refused.

The mark is made by `encrypt_existing_data --execute`, and by a start that finds the store empty. It holds for the
policy of then: where a newer one calls more secret, the store must be encrypted again.
"""

from __future__ import annotations

from sqlalchemy import select

from aragora.clock import Clock
from aragora.secrets.policy import POLICY
from aragora.storage.database import Database
from aragora.storage.tables import encrypted_stores, insert_into


class EncryptionMarks:
    """Kept in the context `core`. Every method raises Unavailable where the database is away."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def all(self) -> frozenset[str]:
        """The names of the stores that were encrypted whole under today's policy."""
        query = select(encrypted_stores.c.store).where(encrypted_stores.c.policy >= POLICY)
        async with self._database.reading("reading which stores are encrypted") as connection:
            return frozenset((await connection.execute(query)).scalars())

    async def add(self, store: str) -> None:
        """Note that no secret of this store rests in plaintext. May be repeated."""
        made = insert_into(self._database, encrypted_stores).values(store=store, policy=POLICY, since=self._clock.now())
        noted = made.on_conflict_do_update(
            index_elements=["store"],
            set_={"policy": made.excluded.policy, "since": made.excluded.since},
            where=encrypted_stores.c.policy < made.excluded.policy,
        )
        async with self._database.writing("noting that a store is encrypted") as connection:
            await connection.execute(noted)
