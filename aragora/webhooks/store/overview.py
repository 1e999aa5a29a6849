"""Reading deliveries as owners without a server need them: what one holds, what all have come to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import and_, func, select

from aragora.storage.database import Database
from aragora.webhooks.model import Delivery, DeliveryStatus
from aragora.webhooks.store.deliveries import DeliveryStore, Wanted
from aragora.webhooks.store.rows import DELIVERY, delivery_of
from aragora.webhooks.store.tables import webhook_attempts, webhook_deliveries

PAGE: Final = 1_000
REFUSING_MAX: Final = 1_000

_OF: Final = webhook_deliveries.c
_HELD: Final = and_(_OF.ended_at.is_(None), _OF.holder.is_not(None))  # as the index has it


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of the deliveries of an organisation that are kept. `mean_duration_s` is of a request."""

    total: int
    delivered: int
    dead_lettered: int
    retrying: int
    mean_duration_s: float


class Overview:
    """Kept in the context `webhooks`. Every method raises Unavailable where the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._store = DeliveryStore(database)

    async def held_by(self, holder: str, limit: int) -> list[Delivery]:
        """What waits of one holder, in the order in which it was made."""
        query = select(*(_OF[name] for name in DELIVERY)).where(_OF.holder == holder, _HELD)
        query = query.order_by(_OF.created_at, _OF.delivery_id).limit(limit)
        return [delivery_of(row) for row in await self._database.rows(query, "reading webhook deliveries")]

    async def last_dead(self, org_id: str, limit: int) -> list[Delivery]:
        """Up to `limit` dead letters, those that died last first."""
        found: list[Delivery] = []
        cursor: str | None = None
        while len(found) < limit:
            wanted = min(PAGE, limit - len(found))
            page = await self._store.dead_letters(org_id, Wanted(), cursor=cursor, limit=wanted)
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                break
        return found

    async def waiting_in_order(self, target_id: str, limit: int) -> list[Delivery]:
        """What waits for a target, in the order in which it was made. All of it is sorted."""
        query = select(*(_OF[name] for name in DELIVERY)).where(_OF.target_id == target_id, _OF.ended_at.is_(None))
        query = query.order_by(_OF.created_at, _OF.delivery_id).limit(limit)
        return [delivery_of(row) for row in await self._database.rows(query, "reading webhook deliveries")]

    async def open_until(self) -> dict[str, float]:
        """Until when (wall time) the breakers refuse that are open, by target; at most `REFUSING_MAX`."""
        rows = await self._store.refusing(REFUSING_MAX)
        return {target_id: row.retry_at for target_id, row in rows.items() if row.retry_at is not None}

    async def summary(self, org_id: str) -> Summary:
        """Every delivery of the organisation is looked at: some seconds for millions."""
        by_status = select(_OF.status, func.count()).where(_OF.org_id == org_id).group_by(_OF.status)
        rows = await self._database.rows(by_status, "counting webhook deliveries")
        counts = {DeliveryStatus(status): number for status, number in rows}
        mean = select(func.avg(webhook_attempts.c.duration_s)).where(
            webhook_attempts.c.delivery_id == _OF.delivery_id, _OF.org_id == org_id
        )
        duration_s = (await self._database.rows(mean, "counting webhook deliveries"))[0][0]
        return Summary(
            total=sum(counts.values()),
            delivered=counts.get(DeliveryStatus.DELIVERED, 0),
            dead_lettered=counts.get(DeliveryStatus.DEAD_LETTERED, 0),
            retrying=counts.get(DeliveryStatus.RETRYING, 0),
            mean_duration_s=float(duration_s or 0.0),
        )
