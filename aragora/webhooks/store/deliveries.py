"""Reading deliveries: one with its event and attempts, pages of lists, what is due, and figures."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Select, case, func, literal, or_, select, tuple_, union_all

from aragora.errors import NotFound
from aragora.storage.collection import PAGE_ITEMS
from aragora.storage.cursors import Page, Place, cursor_of, place_of
from aragora.storage.database import Database
from aragora.webhooks.model import Attempt, Delivery, DeliveryStatus, EventRecord, TargetRow
from aragora.webhooks.store.rows import ATTEMPT, DELIVERY, EVENT, TARGET, attempt_of, delivery_of, event_of, target_of
from aragora.webhooks.store.tables import (
    IS_DEAD,
    IS_REFUSING,
    webhook_attempts,
    webhook_deliveries,
    webhook_endpoints,
    webhook_events,
    webhook_targets,
)

SAMPLE: Final = 5_000

_OF: Final = webhook_deliveries.c
_WAITS: Final = _OF.ended_at.is_(None)
_WHAT: Final = "reading webhook deliveries"
_ENDPOINT: Final = webhook_endpoints.c
_HAS_TARGET: Final = or_(
    _OF.direct.is_not(None),
    select(_ENDPOINT.endpoint_id)
    .where(_ENDPOINT.endpoint_id == _OF.target_id, _ENDPOINT.org_id == _OF.org_id)
    .exists(),
)
"""A direct delivery has its URL with it; any other needs its endpoint."""


@dataclass(frozen=True, slots=True)
class Account:
    """A delivery, what it brings and what was tried. The event is None where it is not kept any more."""

    delivery: Delivery
    event: EventRecord | None
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class After:
    """Where a list in due order goes on: behind this delivery."""

    due_at: float
    delivery_id: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which deliveries a list shows; times are those of their making, for dead letters those of their end. `since` is
    included, `until` not."""

    status: DeliveryStatus | None = None
    event_type: str | None = None
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Stats:
    """What was tried in a window. Quantiles are seconds, of the last 5,000 attempts at most; None without any."""

    attempts: int
    delivered: int
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None

    @property
    def success_share(self) -> float | None:
        """0 to 1; None without attempts."""
        return self.delivered / self.attempts if self.attempts else None


class DeliveryStore:
    """Kept in the context `webhooks`. Every method raises Unavailable where the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, org_id: str, delivery_id: str) -> Delivery:
        """Raises NotFound, with one text, where there is none or it is another organisation's."""
        found = await self._deliveries(_all().where(_OF.delivery_id == delivery_id, _OF.org_id == org_id))
        if not found:
            raise NotFound(f"there is no delivery {delivery_id}")
        return found[0]

    async def account(self, org_id: str, delivery_id: str) -> Account:
        """As `get`, with event and attempts, the first one first."""
        delivery = await self.get(org_id, delivery_id)
        events = await self.events((delivery.event_id,))
        attempts = await self.attempts((delivery_id,))
        return Account(delivery, events.get(delivery.event_id), tuple(attempts.get(delivery_id, ())))

    async def page(
        self, org_id: str, webhook_id: str, wanted: Wanted, *, cursor: str | None = None, limit: int = PAGE_ITEMS
    ) -> Page[Delivery]:
        """Deliveries of one target, newest first. Raises InvalidInput for a bad cursor."""
        statuses = DeliveryStatus if wanted.status is None else (wanted.status,)
        mine = (_OF.org_id == org_id, _OF.webhook_id == webhook_id, *_conditions(wanted, _OF.created_at, cursor))
        places = select(_OF.delivery_id).order_by(_OF.created_at.desc(), _OF.delivery_id.desc()).limit(limit + 1)
        of_each = [places.where(_OF.status == status, *mine).subquery() for status in statuses]
        chosen = union_all(*map(select, of_each)).subquery()
        query = _newest(_OF.created_at).join(chosen, _OF.delivery_id == chosen.c.delivery_id)
        return await self._page(query, "created_at", limit)

    async def dead_letters(
        self,
        org_id: str,
        wanted: Wanted,
        *,
        webhook_id: str | None = None,
        cursor: str | None = None,
        limit: int = PAGE_ITEMS,
    ) -> Page[Delivery]:
        """Dead letters of an organisation, those that died last first. Raises InvalidInput for a bad cursor."""
        query = _newest(_OF.ended_at).where(*_dead(org_id, wanted, webhook_id, cursor))
        return await self._page(query, "ended_at", limit)

    async def revivable(
        self, org_id: str, wanted: Wanted, limit: int, *, webhook_id: str | None = None
    ) -> list[Delivery]:
        """Dead letters of an organisation that have somewhere to go, those that were made first first. All that are
        wanted are sorted: an organisation has a bounded number."""
        query = _all().where(*_dead(org_id, wanted, webhook_id), _HAS_TARGET)
        return await self._deliveries(query.order_by(_OF.created_at, _OF.delivery_id).limit(limit))

    async def stranded(self, org_id: str, wanted: Wanted, *, webhook_id: str | None = None) -> int:
        """How many dead letters of an organisation have lost their endpoint."""
        query = select(func.count()).select_from(webhook_deliveries)
        rows = await self._database.rows(query.where(*_dead(org_id, wanted, webhook_id), ~_HAS_TARGET), _WHAT)
        return int(rows[0][0])

    async def due(self, before: float, limit: int, *, after: After | None = None) -> list[Delivery]:
        """What waits and is due at `before`, of all targets, in order of due time and id. What waits for a target that
        is paused is among it: go on behind it with `after`, or ask by target."""
        return await self._deliveries(_waiting(after).where(_OF.due_at <= before).limit(limit))

    async def waiting_of(self, target_id: str, limit: int, *, after: After | None = None) -> list[Delivery]:
        """What waits for a target, due or not, in order of due time and id."""
        return await self._deliveries(_waiting(after).where(_OF.target_id == target_id).limit(limit))

    async def targets(self, target_ids: Collection[str]) -> dict[str, TargetRow]:
        """What is kept of these targets, at most some thousand, by id; without those of which nothing is kept."""
        return await self._targets(_kept().where(webhook_targets.c.target_id.in_(target_ids)))

    async def refusing(self, limit: int) -> dict[str, TargetRow]:
        """The targets whose breaker is not closed, as it was stored last; at most `limit`."""
        return await self._targets(_kept().where(IS_REFUSING).limit(limit))

    async def events(self, event_ids: Collection[str]) -> dict[str, EventRecord]:
        """These events, at most some thousand, by id; without those that are not there."""
        columns = [webhook_events.c[name] for name in EVENT]
        query = select(*columns).where(webhook_events.c.event_id.in_(event_ids))
        return {row[0]: event_of(row) for row in await self._database.rows(query, "reading webhook events")}

    async def attempts(self, delivery_ids: Collection[str]) -> dict[str, list[Attempt]]:
        """The attempts of these deliveries, at most some thousand, the first one first."""
        columns = [webhook_attempts.c[name] for name in ATTEMPT]
        query = select(*columns).where(webhook_attempts.c.delivery_id.in_(delivery_ids))
        found: dict[str, list[Attempt]] = {}
        for row in await self._database.rows(query.order_by(webhook_attempts.c.number), _WHAT):
            found.setdefault(row[0], []).append(attempt_of(row))
        return found

    async def counts(self, org_id: str, webhook_id: str) -> dict[DeliveryStatus, int]:
        """How many deliveries of a target are in each status."""
        mine = (_OF.org_id == org_id, _OF.webhook_id == webhook_id)
        return await self._counts(select(_OF.status, func.count()).where(*mine).group_by(_OF.status))

    async def oldest_due(self, target_id: str | None = None) -> float | None:
        """When what waits longest was or is due: of one target or of all; None where nothing waits."""
        query = select(func.min(_OF.due_at)).where(_WAITS)
        if target_id is not None:
            query = query.where(_OF.target_id == target_id)
        due_at: float | None = (await self._database.rows(query, _WHAT))[0][0]
        return due_at

    async def newest_event_at(self) -> float | None:
        """When the last event happened, by the clock of those days; None where there is none."""
        newest: float | None = (await self._database.rows(select(func.max(webhook_events.c.created_at)), _WHAT))[0][0]
        return newest

    async def stats(self, target_id: str, since: float, until: float) -> Stats:
        """What was tried for a target from `since` until before `until`."""
        of = webhook_attempts.c
        window = (of.target_id == target_id, of.started_at >= since, of.started_at < until)
        figures: list[ColumnElement[Any]] = [func.count(), func.sum(case((of.failure.is_(None), 1), else_=0))]
        totals = select(*figures).where(*window)
        attempts, delivered = (await self._database.rows(totals, _WHAT))[0]
        sample = select(of.duration_s).where(*window).order_by(of.started_at.desc()).limit(SAMPLE)
        durations = sorted(row[0] for row in await self._database.rows(sample, _WHAT))
        quantiles = (nearest_rank(durations, share) for share in (0.5, 0.95, 0.99))
        return Stats(attempts, delivered or 0, *quantiles)

    async def _deliveries(self, query: Select[Any]) -> list[Delivery]:
        return [delivery_of(row) for row in await self._database.rows(query, _WHAT)]

    async def _page(self, query: Select[Any], at: str, limit: int) -> Page[Delivery]:
        found = await self._deliveries(query.limit(limit + 1))
        items = tuple(found[:limit])
        if len(found) <= limit:
            return Page(items)
        return Page(items, cursor_of(Place(getattr(items[-1], at), items[-1].delivery_id)))

    async def _targets(self, query: Select[Any]) -> dict[str, TargetRow]:
        return {row[0]: target_of(row) for row in await self._database.rows(query, "reading webhook targets")}

    async def _counts(self, query: Select[Any]) -> dict[DeliveryStatus, int]:
        rows = await self._database.rows(query, _WHAT)
        return dict.fromkeys(DeliveryStatus, 0) | {DeliveryStatus(row[0]): row[1] for row in rows}


def nearest_rank(ordered: Sequence[float], share: float) -> float | None:
    """The smallest value that at least `share` (above 0, up to 1) of the ordered values do not exceed; None of none."""
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else None


def _all() -> Select[Any]:
    return select(*(_OF[name] for name in DELIVERY))


def _kept() -> Select[Any]:
    return select(*(webhook_targets.c[name] for name in TARGET))


def _waiting(after: After | None) -> Select[Any]:
    query = _all().where(_WAITS).order_by(_OF.due_at, _OF.delivery_id)
    if after is None:
        return query
    return query.where(tuple_(_OF.due_at, _OF.delivery_id) > tuple_(literal(after.due_at), literal(after.delivery_id)))


def _newest(at: Column[Any]) -> Select[Any]:
    return _all().order_by(at.desc(), _OF.delivery_id.desc())


def _dead(org_id: str, wanted: Wanted, webhook_id: str | None, cursor: str | None = None) -> list[ColumnElement[bool]]:
    """The dead letters of an organisation that are wanted. Raises InvalidInput for a bad cursor."""
    of_webhook = [] if webhook_id is None else [_OF.webhook_id == webhook_id]
    return [IS_DEAD, _OF.org_id == org_id, *of_webhook, *_conditions(wanted, _OF.ended_at, cursor)]


def _conditions(wanted: Wanted, at: Column[Any], cursor: str | None) -> list[ColumnElement[bool]]:
    """What `wanted` and the cursor say, but for the status. Raises InvalidInput for a bad cursor."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.event_type is not None:
        conditions.append(_OF.event_type == wanted.event_type)
    if wanted.since is not None:
        conditions.append(at >= wanted.since)
    if wanted.until is not None:
        conditions.append(at < wanted.until)
    if cursor is not None:
        place = place_of(cursor)
        conditions.append(tuple_(at, _OF.delivery_id) < tuple_(literal(place.at), literal(place.id)))
    return conditions
