"""The delivery writer: group commit (`aragora.storage.group_commit`) for enqueued deliveries and their attempts."""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

from aragora.storage.database import Database
from aragora.storage.group_commit import Bounds, GroupBackend, GroupCommit
from aragora.webhooks.store.units import (
    Attempted,
    CancelWaiting,
    Enqueue,
    KeepTarget,
    Moved,
    Reschedule,
    Revived,
    Told,
    Unit,
)
from aragora.webhooks.store.write_group import check, refusal, size

MAX_PENDING_ROWS: Final = 50_000
MAX_GROUP_ROWS: Final = 2_000  # some 50 ms: what an attempt waits for at most when a large fan-out is before it


class DeliveryWriter:
    """Writes units, many in one transaction; each method returns when its unit is on disk. One writer a process;
    several processes may write to one store. Every method raises Unavailable (the store is away, nothing was written),
    Fenced (the unit's tenure has a successor, nothing of this unit was written), InvalidInput (no store could keep
    it)."""

    def __init__(self, database: Database, *, max_pending: int = MAX_PENDING_ROWS) -> None:
        self._units = in_groups(_backend(database), max_pending)

    async def enqueue(self, unit: Enqueue) -> frozenset[str]:
        """Write new deliveries, at best a page of some 1,000; returns the ids of those that are new."""
        return cast("frozenset[str]", await self._submit(unit))

    async def attempted(self, unit: Attempted) -> Told:
        """Write an attempt and where it moves its delivery."""
        return cast("Told", await self._submit(unit))

    async def moved(self, unit: Moved) -> Told:
        """Move a delivery that waits."""
        return cast("Told", await self._submit(unit))

    async def revived(self, unit: Revived) -> Told:
        """Make a delivery that had ended wait again."""
        return cast("Told", await self._submit(unit))

    async def cancel_waiting(self, unit: CancelWaiting) -> int:
        """Cancel what waits for a target; returns how many, at most the unit's limit."""
        return cast("int", await self._submit(unit))

    async def reschedule(self, unit: Reschedule) -> int:
        """Change when what waits for a target is due; returns how many, at most the unit's limit."""
        return cast("int", await self._submit(unit))

    async def keep(self, unit: KeepTarget) -> None:
        """Replace what is kept of a target."""
        await self._submit(unit)

    async def aclose(self) -> None:
        """Write what was submitted, then close; later units get Unavailable."""
        await self._units.aclose()

    def _submit(self, unit: Unit) -> asyncio.Future[Any]:
        check(unit)
        return self._units.submit(unit)


def in_groups(backend: GroupBackend[Unit], max_pending: int = MAX_PENDING_ROWS) -> GroupCommit[Unit]:
    """Group commit for units of deliveries."""
    return GroupCommit("the store of deliveries", backend, refusal, Bounds(max_pending, MAX_GROUP_ROWS), size=size)


def _backend(database: Database) -> GroupBackend[Unit]:
    if database.is_sqlite:
        from aragora.webhooks.store.writer_sqlite import SqliteDeliveries  # noqa: PLC0415  only the driver that is used

        return SqliteDeliveries(database.location)
    from aragora.webhooks.store.writer_postgres import PostgresDeliveries  # noqa: PLC0415

    return PostgresDeliveries(database.location)
