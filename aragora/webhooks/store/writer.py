"""The delivery writer: group commit for enqueued deliveries and their attempts (`aragora.storage.group_commit`)."""

from __future__ import annotations

from typing import Final

from aragora.storage.database import Database
from aragora.webhooks.store.units import Attempted, CancelWaiting, Enqueue, Moved, Revived, Told

MAX_PENDING_ROWS: Final = 50_000


class DeliveryWriter:
    """Writes units, many in one transaction; each method returns when its unit is on disk. One writer a process; several
    processes may write to one store. Every method raises Unavailable (the store is away, nothing was written), Fenced
    (the unit's tenure has a successor, nothing of this unit was written) and InvalidInput (no store could keep it)."""

    def __init__(self, database: Database, *, max_pending: int = MAX_PENDING_ROWS) -> None:
        raise NotImplementedError

    async def enqueue(self, unit: Enqueue) -> frozenset[str]:
        """Write new deliveries, at best a page of some 1,000; returns the ids of those that are new."""
        raise NotImplementedError

    async def attempted(self, unit: Attempted) -> Told:
        """Write an attempt and where it moves its delivery."""
        raise NotImplementedError

    async def moved(self, unit: Moved) -> Told:
        """Move a delivery that waits."""
        raise NotImplementedError

    async def revived(self, unit: Revived) -> Told:
        """Make a delivery that had ended wait again."""
        raise NotImplementedError

    async def cancel_waiting(self, unit: CancelWaiting) -> int:
        """Cancel what waits for a target; returns how many, at most the unit's limit."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Write what was submitted, then close; later units get Unavailable."""
        raise NotImplementedError
