"""Reading how all webhooks of the installation fare: what an operator watches. It needs no key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, case, func, literal, select

from aragora.storage.database import Database
from aragora.webhooks.model import DeliveryStatus, TargetStatus
from aragora.webhooks.store.tables import (
    IS_REFUSING,
    webhook_attempts,
    webhook_deliveries,
    webhook_endpoints,
    webhook_targets,
)

TARGETS_MAX: Final = 10_000
"""Of these what is overdue is looked at, the first by their ids: within a second on either store. Where a server does
not send, it does not for any of them."""
DAY_S: Final = 86_400.0

_WHAT: Final = "reading how webhooks fare"
_OF: Final = webhook_deliveries.c


@dataclass(frozen=True, slots=True)
class Overdue:
    """What is overdue, in seconds; 0 where nothing is.

    Args:
        due_s: for how long, at most, a delivery is due while nothing holds it back and nothing is sent to its target:
            since the latest of its due time, the last request to the target, and the end of what the target's breaker
            or Retry-After had asked for.
        held_s: for how long, at most, a delivery is overdue that was held back since: its receiver fails, asked to
            wait, or is served at its rate or in its order.
    """

    due_s: float = 0.0
    held_s: float = 0.0


class WebhookStandings:
    """Kept in the context `webhooks`. Every method raises Unavailable where the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def waiting(self) -> dict[DeliveryStatus, int]:
        """How many deliveries wait, by status. Those on their way are among them: no row says so."""
        query = select(_OF.status, func.count()).where(_OF.ended_at.is_(None)).group_by(_OF.status)
        counts = {DeliveryStatus(status): number for status, number in await self._database.rows(query, _WHAT)}
        return {status: counts.get(status, 0) for status in (DeliveryStatus.PENDING, DeliveryStatus.RETRYING)}

    async def overdue(self, wall: float) -> Overdue:
        """What is overdue at `wall`, for `TARGETS_MAX` targets at most. It costs a few lookups for each target with
        work, however much waits; nothing where nothing is overdue."""
        oldest = (await self._database.rows(select(func.min(_OF.due_at)).where(_OF.ended_at.is_(None)), _WHAT))[0][0]
        if oldest is None or oldest >= wall:
            return Overdue()
        due_s, held_s = (await self._database.rows(overdue_by_target(wall, self._database.is_sqlite), _WHAT))[0]
        return Overdue(max(0.0, due_s or 0.0), max(0.0, held_s or 0.0))

    async def delivered_to(self, since: float, limit: int) -> list[str]:
        """The enabled endpoints to which something was sent since then; at most `limit`."""
        of = webhook_endpoints.c
        last = select(func.max(webhook_attempts.c.started_at)).where(webhook_attempts.c.target_id == of.endpoint_id)
        query = select(of.endpoint_id).where(of.status == TargetStatus.ENABLED, last.scalar_subquery() >= since)
        return [row[0] for row in await self._database.rows(query.limit(limit), _WHAT)]

    async def dead_letters(self, since: float, limit: int) -> int:
        """How many deliveries became dead letters since then and are kept, counted up to `limit`."""
        # The status as a parameter, not `IS_DEAD`: the index of dead letters is by organisation.
        dead = _OF.status == DeliveryStatus.DEAD_LETTERED.value
        lately = select(literal(1)).where(_OF.ended_at.is_not(None), dead, _OF.ended_at >= since)
        return await self._number(lately, limit)

    async def refusing(self, wall: float, limit: int) -> int:
        """How many targets' breakers refuse at `wall`, counted up to `limit`."""
        of = webhook_targets.c
        return await self._number(
            select(literal(1)).where(IS_REFUSING, of.breaker == "open", of.retry_at > wall), limit
        )

    async def _number(self, query: Select[Any], limit: int) -> int:
        counted = select(func.count()).select_from(query.limit(limit).subquery())
        number: int = (await self._database.rows(counted, _WHAT))[0][0]
        return number


def overdue_by_target(wall: float, is_sqlite: bool) -> Select[Any]:
    """One row, as `Overdue` has it; NULL where nothing is so. From one target with work to the next, by the index of
    what waits: never over all that waits for one, and of `TARGETS_MAX` targets at most."""
    one, its = webhook_deliveries.alias(), webhook_deliveries.alias()
    next_id = func.min(one.c.target_id)
    first_id = select(next_id).where(one.c.ended_at.is_(None)).scalar_subquery()
    begun = select(first_id.label("target_id"), literal(1).label("number"))
    walk = begun.cte("with_work", recursive=True)
    onward = select(next_id).where(one.c.ended_at.is_(None), one.c.target_id > walk.c.target_id).correlate(walk)
    more = walk.c.target_id.is_not(None) & (walk.c.number < TARGETS_MAX)
    walk = walk.union_all(select(onward.scalar_subquery(), walk.c.number + 1).where(more))
    due = select(func.min(its.c.due_at)).where(its.c.target_id == walk.c.target_id, its.c.ended_at.is_(None))
    due_at = due.correlate(walk).scalar_subquery().label("due_at")
    first = select(walk.c.target_id, due_at).where(walk.c.target_id.is_not(None)).cte("first_due")

    of, to, sent = webhook_targets.c, webhook_endpoints.c, webhook_attempts.c
    last = select(func.max(sent.started_at)).where(sent.target_id == first.c.target_id).correlate(first)
    latest = func.max if is_sqlite else func.greatest
    since = latest(
        first.c.due_at,
        func.coalesce(case((of.breaker != "closed", of.retry_at)), 0.0),
        func.coalesce(of.paused_until, 0.0),
        func.coalesce(last.scalar_subquery(), 0.0),
    )
    stopped = func.coalesce(to.status, TargetStatus.ENABLED.value) != TargetStatus.ENABLED.value
    overdue = (
        select(first.c.due_at, case((stopped, literal(wall)), else_=since).label("since"))
        .select_from(first)
        .outerjoin(webhook_targets, of.target_id == first.c.target_id)
        .outerjoin(webhook_endpoints, to.endpoint_id == first.c.target_id)
        .where(first.c.due_at < wall)
        .subquery()
    )
    held = case((overdue.c.since > overdue.c.due_at, literal(wall) - overdue.c.due_at))
    longest: list[ColumnElement[Any]] = [func.max(literal(wall) - overdue.c.since), func.max(held)]
    return select(*longest)
