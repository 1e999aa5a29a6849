"""Reading deliveries as replays need them: what has ended, in the order of its making; what there is of given ids; how
much waits now."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select, func, literal, select, tuple_, union_all

from aragora.storage.database import Database
from aragora.webhooks.fanout import PARKED_AT
from aragora.webhooks.model import Delivery, DeliveryStatus
from aragora.webhooks.replay import Stored
from aragora.webhooks.store.rows import DELIVERY, delivery_of
from aragora.webhooks.store.tables import webhook_deliveries, webhook_events

_OF: Final = webhook_deliveries.c
_EVENTS: Final = webhook_events.c
_WHAT: Final = "reading webhook deliveries"


@dataclass(frozen=True, slots=True)
class Ended:
    """A delivery that has ended, and when its event happened: None where the event is not kept any more."""

    delivery: Delivery
    event_at: float | None


class Replayable:
    """Kept in the context `webhooks`. Every method raises Unavailable where the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ended(
        self,
        org_id: str,
        webhook_id: str,
        statuses: Sequence[DeliveryStatus],
        *,
        since: float,
        before: float,
        after: Stored | None,
        limit: int,
    ) -> list[Ended]:
        """Deliveries of a target in one of these statuses that were made from `since` until before `before`, the first
        one first; with `after`, those behind it. Each call reads `limit` rows of each status at most."""
        places = select(_OF.delivery_id).where(
            _OF.org_id == org_id, _OF.webhook_id == webhook_id, _OF.created_at >= since, _OF.created_at < before
        )
        if after is not None:
            behind = tuple_(literal(after.created_at), literal(after.delivery_id))
            places = places.where(tuple_(_OF.created_at, _OF.delivery_id) > behind)
        places = places.order_by(_OF.created_at, _OF.delivery_id).limit(limit)
        chosen = union_all(*(select(places.where(_OF.status == status).subquery()) for status in statuses)).subquery()
        query = select(*(_OF[name] for name in DELIVERY), _EVENTS.created_at.label("event_at"))
        query = query.join(chosen, _OF.delivery_id == chosen.c.delivery_id)
        query = query.outerjoin(webhook_events, _EVENTS.event_id == _OF.event_id)
        rows = await self._database.rows(query.order_by(_OF.created_at, _OF.delivery_id).limit(limit), _WHAT)
        return [Ended(delivery_of(row[:-1]), row[-1]) for row in rows]

    async def these(self, org_id: str, delivery_ids: Collection[str]) -> list[Delivery]:
        """Those of these deliveries, at most some thousand, that there are, in the order of their making."""
        query = select(*(_OF[name] for name in DELIVERY)).where(_OF.delivery_id.in_(delivery_ids), _OF.org_id == org_id)
        rows = await self._database.rows(query.order_by(_OF.created_at, _OF.delivery_id), _WHAT)
        return [delivery_of(row) for row in rows]

    async def made_at(self, delivery_ids: Collection[str]) -> Mapping[str, float]:
        """When those of these deliveries, at most some thousand, were made that there are."""
        query = select(_OF.delivery_id, _OF.created_at).where(_OF.delivery_id.in_(delivery_ids))
        return {row[0]: row[1] for row in await self._database.rows(query, _WHAT)}

    async def waiting_now(self, target_id: str, at: float, most: int) -> int:
        """How many deliveries of a target are due at this time or parked, counted up to `most`. What is to be tried
        again later holds up nobody."""
        waits = select(_OF.delivery_id).where(_OF.target_id == target_id, _OF.ended_at.is_(None))
        due = await self._count(waits.where(_OF.due_at <= at), most)
        return due + await self._count(waits.where(_OF.due_at >= PARKED_AT), most - due)

    async def _count(self, query: Select[Any], most: int) -> int:
        counted = select(func.count()).select_from(query.limit(most).subquery())
        return int((await self._database.rows(counted, _WHAT))[0][0])
