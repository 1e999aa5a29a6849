"""Reading what endpoints chose to hear of, and how many there are. It needs no key."""

from __future__ import annotations

from sqlalchemy import func, select

from aragora.encoding import decode
from aragora.storage.database import Database
from aragora.webhooks.model import TargetStatus
from aragora.webhooks.store.tables import webhook_endpoints


class EndpointChoices:
    """Kept in the context `webhooks`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def choices(self) -> list[tuple[str, tuple[str, ...]]]:
        """Every choice of event types that an endpoint has made which hears of events, with its organisation; each
        once. Raises Unavailable."""
        of = webhook_endpoints.c
        hearing = [status for status in TargetStatus if status.hears]
        query = select(of.org_id, of.events).where(of.status.in_(hearing)).distinct()
        rows = await self._database.rows(query, "reading webhooks")
        return [(org_id, tuple(decode(events))) for org_id, events in rows]

    async def count_by_status(self) -> dict[TargetStatus, int]:
        """The endpoints of all organisations. Raises Unavailable."""
        status = webhook_endpoints.c.status
        rows = await self._database.rows(select(status, func.count()).group_by(status), "counting webhooks")
        return dict.fromkeys(TargetStatus, 0) | {TargetStatus(row[0]): row[1] for row in rows}
