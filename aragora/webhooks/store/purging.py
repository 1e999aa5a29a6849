"""What is kept how long: purging in small steps, each a transaction of its own that counts what it takes away, so that
deliveries hardly wait for it.

SQLite's lock knows no queue: who waits looks again after pauses that grow, and a purge that took the lock again at once
would keep the delivery writer out until it has ended. So each step is followed by a pause as long as the step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.clock import Clock, SystemClock
from aragora.observability.samples import CounterDelta
from aragora.storage.counters import CounterStore
from aragora.storage.database import Database
from aragora.storage.small_steps import small_step
from aragora.webhooks.model import DeliveryStatus
from aragora.webhooks.store.tables import IS_DEAD, webhook_attempts, webhook_deliveries, webhook_events

STEP: Final = 200
"""Deliveries of one step. With attempts and events they are some 600 rows; the lock is held for some 10 ms."""

_WHAT: Final = "purging webhook deliveries"
_OF: Final = webhook_deliveries.c
_EVENTS: Final = webhook_events.c
_REFERRED: Final = select(_OF.event_id).where(_OF.event_id == _EVENTS.event_id).exists()


class Purged(StrEnum):
    """What went: the label of the counter."""

    DELIVERY = "delivery"
    DEAD_LETTER = "dead_letter"
    TEXT = "text"
    EVENT = "event"


Counting = Callable[[Purged, int], Sequence[CounterDelta]]
"""The increments for so many of a kind."""


class DeliveryPurge:
    """One step a call: returns how many went, at most `STEP`; 0 where nothing is left. `counting` is what is added for
    them, in the same transaction. Every method raises Unavailable where the database is away."""

    def __init__(
        self,
        database: Database,
        counting: Counting,
        clock: Clock | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._counting = counting
        self._clock = clock or SystemClock()
        self._sleep = sleep
        self._counters = CounterStore(database)

    async def ended(self, before: float) -> int:
        """Deliveries that arrived or were cancelled before this time, with their attempts, and events of which no
        delivery is left."""
        for status in (DeliveryStatus.DELIVERED, DeliveryStatus.CANCELLED):
            if (went := await self._deliveries((_OF.status == status, _OF.ended_at < before), Purged.DELIVERY)) > 0:
                return went
        return 0

    async def dead_letters(self, before: float) -> int:
        """Dead letters that ended before this time, as `ended`."""
        old = (_OF.status == DeliveryStatus.DEAD_LETTERED, _OF.ended_at < before)
        return await self._deliveries(old, Purged.DEAD_LETTER)

    async def surplus(self, org_id: str, most: int) -> int:
        """The oldest dead letters of an organisation over `most`."""
        dead = (IS_DEAD, _OF.org_id == org_id)
        count = select(func.count()).select_from(webhook_deliveries).where(*dead)
        over = int((await self._database.rows(count, _WHAT))[0][0]) - most
        if over <= 0:
            return 0
        return await self._deliveries(dead, Purged.DEAD_LETTER, min(over, STEP))

    async def orgs_over(self, most: int) -> list[str]:
        """The organisations with more than `most` dead letters."""
        query = select(_OF.org_id).where(IS_DEAD).group_by(_OF.org_id).having(func.count() > most)
        return [row[0] for row in await self._database.rows(query.order_by(_OF.org_id), _WHAT)]

    async def dead_letter(self, org_id: str, delivery_id: str) -> bool:
        """One dead letter, with its attempts; False where there is none, or it is another organisation's."""
        return await self.chosen(org_id, (delivery_id,)) == 1

    async def chosen(self, org_id: str, delivery_ids: Collection[str]) -> int:
        """Those of these deliveries, at most `STEP`, that are dead letters of the organisation, with their attempts."""
        these = (IS_DEAD, _OF.org_id == org_id, _OF.delivery_id.in_(delivery_ids))
        return await self._deliveries(these, Purged.DEAD_LETTER)

    async def texts(self, before: float) -> int:
        """The answer texts of attempts before this time; the attempts stay."""
        of = webhook_attempts.c
        query = select(of.delivery_id, of.number).where(of.text.is_not(None), of.started_at < before)
        async with self._step() as connection:
            rows = (await connection.execute(query.order_by(of.started_at).limit(STEP))).all()
            if rows:
                clear = update(webhook_attempts).where(_pairs(rows)).values(text=None)
                await connection.execute(clear)
                await self._counters.add_within(connection, self._counting(Purged.TEXT, len(rows)))
        return len(rows)

    async def events(self, before: float) -> int:
        """Events older than this that no delivery was ever made of. The others go with their last delivery."""
        query = select(_EVENTS.event_id).where(_EVENTS.created_at < before, ~_REFERRED).order_by(_EVENTS.created_at)
        async with self._step() as connection:
            found = sorted(row[0] for row in await connection.execute(query.limit(STEP)))
            await self._lock_events(connection, found)
            return await self._without_delivery(connection, found)

    async def _deliveries(self, which: Sequence[ColumnElement[bool]], what: Purged, limit: int = STEP) -> int:
        """Delete the first of these deliveries to have ended. Locks are taken in the order of the delivery writer:
        events, then deliveries, each by their ids."""
        chosen = select(_OF.delivery_id, _OF.event_id).where(*which).order_by(_OF.ended_at).limit(limit)
        async with self._step() as connection:
            found = (await connection.execute(chosen)).all()
            if not found:
                return 0
            event_ids = sorted({row[1] for row in found})
            await self._lock_events(connection, event_ids)
            still = select(_OF.delivery_id).where(_OF.delivery_id.in_([row[0] for row in found]), *which)
            locked = await connection.execute(still.order_by(_OF.delivery_id).with_for_update())
            ids = [row[0] for row in locked]  # without those that were revived meanwhile
            await connection.execute(delete(webhook_attempts).where(webhook_attempts.c.delivery_id.in_(ids)))
            await connection.execute(delete(webhook_deliveries).where(_OF.delivery_id.in_(ids)))
            await self._counters.add_within(connection, self._counting(what, len(ids)))
            await self._without_delivery(connection, event_ids)
        return len(ids)

    def _step(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return small_step(self._database, _WHAT, self._clock, self._sleep)

    async def _lock_events(self, connection: AsyncConnection, event_ids: Sequence[str]) -> None:
        """Whoever enqueues deliveries of one of these events is waited for, and the statements that follow see them;
        whoever comes after waits, and finds the event or makes it anew."""
        locking = select(_EVENTS.event_id).where(_EVENTS.event_id.in_(event_ids)).order_by(_EVENTS.event_id)
        await connection.execute(locking.with_for_update())

    async def _without_delivery(self, connection: AsyncConnection, event_ids: Sequence[str]) -> int:
        """Delete those of these locked events of which there is no delivery; returns how many."""
        alone = delete(webhook_events).where(_EVENTS.event_id.in_(event_ids), ~_REFERRED)
        gone = int((await connection.execute(alone)).rowcount)
        if gone:
            await self._counters.add_within(connection, self._counting(Purged.EVENT, gone))
        return gone


def _pairs(rows: Sequence[Any]) -> ColumnElement[bool]:
    """The attempts of these keys. A list of deliveries alone would take newer attempts of theirs too."""
    of = webhook_attempts.c
    return tuple_(of.delivery_id, of.number).in_([tuple(row) for row in rows])
