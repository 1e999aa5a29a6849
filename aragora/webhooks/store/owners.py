"""Who owns the deliveries of a key: a dispatcher's shard, a target with an actor of its own, a process without server.

Whoever takes a key gets the next epoch, and what the one before it still wants to write is Fenced. With a lease a key
is left alone until the lease has run out; without one it is taken over at once, as a dispatcher that starts again does.
Leases are measured by the wall clocks of those who take them. A clock that is wrong makes a successor too early or
late, and never lets two write: the epoch decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, or_, select, update

from aragora.clock import Clock
from aragora.errors import Fenced
from aragora.storage.database import Database
from aragora.storage.tables import insert_into
from aragora.webhooks.store.tables import webhook_owners
from aragora.webhooks.store.units import Tenure

AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Ownership:
    """Who took a key last. `until` is the end of its lease, None where none runs."""

    epoch: int
    owner: str
    until: float | None


class Owners:
    """Kept in the context `webhooks`. Every method raises Unavailable where the database is away."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def advance(self, key: str, owner: str, *, under: Tenure | None = None) -> int:
        """Take the key whoever has it; returns the new epoch, higher than any before it. No lease runs then. Raises
        Fenced where the claim `under` which it is taken has a successor."""
        table = webhook_owners
        taking = insert_into(self._database, table).values(key=key, epoch=1, owner=owner, until=None)
        taking = taking.on_conflict_do_update(
            index_elements=["key"], set_={"epoch": table.c.epoch + 1, "owner": owner, "until": None}
        )
        async with self._database.writing("taking over deliveries") as connection:
            if under is not None:
                held = select(table.c.epoch).where(table.c.key == under.key).with_for_update(read=True)
                if (await connection.execute(held)).scalar_one_or_none() != under.epoch:
                    raise Fenced(f"{under.key} has a newer owner than epoch {under.epoch}: it gives nothing away")
            epoch: int = (await connection.execute(taking.returning(table.c.epoch))).scalar_one()
        return epoch

    async def take(self, key: str, owner: str, lease_s: float) -> int | None:
        """Take the key for `lease_s` seconds; the new epoch, or None while another one's lease runs."""
        table, now = webhook_owners, self._clock.now()
        free = or_(table.c.until.is_(None), table.c.until <= now, table.c.owner == owner)
        taking = insert_into(self._database, table).values(key=key, epoch=1, owner=owner, until=now + lease_s)
        taking = taking.on_conflict_do_update(
            index_elements=["key"],
            set_={"epoch": table.c.epoch + 1, "owner": owner, "until": now + lease_s},
            where=free,
        )
        async with self._database.writing("taking over deliveries") as connection:
            epoch: int | None = (await connection.execute(taking.returning(table.c.epoch))).scalar_one_or_none()
        return epoch

    async def renew(self, key: str, epoch: int, lease_s: float) -> bool:
        """Make the lease end `lease_s` seconds from now. False where the key has a newer epoch: stop."""
        return await self._set_end(key, epoch, self._clock.now() + lease_s)

    async def release(self, key: str, epoch: int) -> bool:
        """End the lease of this epoch, so that the next one need not wait. False where it has a successor."""
        return await self._set_end(key, epoch, None)

    async def current(self, key: str) -> Ownership | None:
        """Who took the key last; None before the first."""
        table = webhook_owners
        query = select(table.c.epoch, table.c.owner, table.c.until).where(table.c.key == key)
        found = await self._database.rows(query, "reading who delivers")
        return Ownership(*found[0]) if found else None

    async def epochs_of(self, prefix: str, owner: str) -> dict[str, int]:
        """By key, the epochs of the keys that begin so and were taken last by `owner`."""
        table = webhook_owners
        theirs = func.substr(table.c.key, 1, len(prefix)) == prefix
        query = select(table.c.key, table.c.epoch).where(theirs, table.c.owner == owner)
        return {row[0]: row[1] for row in await self._database.rows(query, "reading who delivers")}

    async def lapsed(self, prefix: str) -> list[str]:
        """The keys that begin so and whose lease has run out, or was given back; at most `AT_ONCE`, in order."""
        table = webhook_owners
        theirs = func.substr(table.c.key, 1, len(prefix)) == prefix
        over = or_(table.c.until.is_(None), table.c.until <= self._clock.now())
        query = select(table.c.key).where(theirs, over).order_by(table.c.key).limit(AT_ONCE)
        return [row[0] for row in await self._database.rows(query, "reading who delivers")]

    async def forget(self, key: str) -> None:
        """Delete a key whose lease has run out. It must not be taken again by an epoch that it had, so its owner must
        be gone for good."""
        table = webhook_owners
        over = or_(table.c.until.is_(None), table.c.until <= self._clock.now())
        async with self._database.writing("forgetting who delivered") as connection:
            await connection.execute(table.delete().where(table.c.key == key, over))

    async def _set_end(self, key: str, epoch: int, until: float | None) -> bool:
        table = webhook_owners
        change = update(table).where(table.c.key == key, table.c.epoch == epoch).values(until=until)
        async with self._database.writing("renewing a lease on deliveries") as connection:
            return bool((await connection.execute(change)).rowcount == 1)
