"""What lives for seconds to minutes and replicas share: one-time states, tickets, caches. The port, and the
database's rows.

Redis is faster (`aragora.storage.ephemeral_redis`); the database is shared by all replicas too, and is there without
it.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from sqlalchemy import BigInteger, Text, case, cast, delete, select

from aragora.background import Job
from aragora.clock import Clock
from aragora.storage.database import Database
from aragora.storage.forgetting import forget
from aragora.storage.tables import ephemeral, insert_into

SWEEP_EVERY_S: Final = 300.0
"""How long what has ended rests; nobody reads it meanwhile."""


class Ephemeral(Protocol):
    """Text under a key for a time. Raises Unavailable where the store is away."""

    async def put(self, key: str, value: str, ttl_s: float) -> None:
        """Keep `value` under `key` for `ttl_s` seconds, in place of what is there."""
        ...

    async def add(self, key: str, value: str, ttl_s: float) -> bool:
        """Keep `value` unless the key is taken; True if this call took it. Of many at once, one wins."""
        ...

    async def get(self, key: str) -> str | None:
        """The value, or None where there is none or its time is over."""
        ...

    async def take(self, key: str) -> str | None:
        """The value, which is gone then: of many at once, one gets it."""
        ...

    async def delete(self, key: str) -> None: ...


class SqlEphemeral:
    """The port over the context `users`. Times are of the wall clock: processes share the rows."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self._clock = clock

    async def put(self, key: str, value: str, ttl_s: float) -> None:
        now = self._clock.now()
        upsert = insert_into(self.database, ephemeral).values(key=key, value=value, ends_at=now + ttl_s)
        await self._write(
            upsert.on_conflict_do_update(
                index_elements=["key"], set_={"value": upsert.excluded.value, "ends_at": upsert.excluded.ends_at}
            )
        )

    async def add(self, key: str, value: str, ttl_s: float) -> bool:
        now = self._clock.now()
        upsert = insert_into(self.database, ephemeral).values(key=key, value=value, ends_at=now + ttl_s)
        return await self._write(
            upsert.on_conflict_do_update(
                index_elements=["key"],
                set_={"value": upsert.excluded.value, "ends_at": upsert.excluded.ends_at},
                where=ephemeral.c.ends_at <= now,
            )
        )

    async def get(self, key: str) -> str | None:
        query = select(ephemeral.c.value).where(ephemeral.c.key == key, ephemeral.c.ends_at > self._clock.now())
        async with self.database.reading() as connection:
            return (await connection.execute(query)).scalar_one_or_none()

    async def take(self, key: str) -> str | None:
        taken = delete(ephemeral).where(ephemeral.c.key == key).returning(ephemeral.c.value, ephemeral.c.ends_at)
        async with self.database.writing() as connection:
            row = (await connection.execute(taken)).first()
        return row[0] if row is not None and row[1] > self._clock.now() else None

    async def delete(self, key: str) -> None:
        await self._write(delete(ephemeral).where(ephemeral.c.key == key))

    async def _write(self, statement: Any) -> bool:
        async with self.database.writing() as connection:
            return bool((await connection.execute(statement)).rowcount == 1)

    async def count(self, key: str, ttl_s: float) -> tuple[int, float]:
        """Count one under the key: how many there were since the first, and when its time ends (seconds since the
        epoch). After `ttl_s` it begins anew. Of many at once, each counts."""
        now = self._clock.now()
        first = insert_into(self.database, ephemeral).values(key=key, value="1", ends_at=now + ttl_s)
        over = ephemeral.c.ends_at <= now
        more = cast(cast(ephemeral.c.value, BigInteger) + 1, Text)
        counted = first.on_conflict_do_update(
            index_elements=["key"],
            set_={
                "value": case((over, first.excluded.value), else_=more),
                "ends_at": case((over, first.excluded.ends_at), else_=ephemeral.c.ends_at),
            },
        ).returning(ephemeral.c.value, ephemeral.c.ends_at)
        async with self.database.writing() as connection:
            value, ends_at = (await connection.execute(counted)).one()
        return int(value), float(ends_at)


def sweeping(database: Database, clock: Clock) -> Job:
    """The job that deletes the rows whose time is over, also where nobody writes any more."""

    async def sweep() -> str:
        return f"swept {await forget(database, ephemeral.c.key, ephemeral.c.ends_at <= clock.now())} ended rows"

    return Job("sweep ephemeral", SWEEP_EVERY_S, sweep)
