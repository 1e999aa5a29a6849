"""A group of delivery units as one PostgreSQL transaction, a statement per table whatever the group's size. Below
SQLAlchemy as the journal is (docs/adr/0007).

Locks are taken in one order everywhere (owners by key, cancellations, events by id, deliveries by id, targets by id,
counters by name), so that groups of several processes wait for each other instead of deadlocking. Two cancellations of
one target may still meet; such a group is tried again.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import asyncpg

from aragora.storage.contexts import Location
from aragora.storage.postgres_transactions import PostgresTransactions, columns_of
from aragora.webhooks.store.rows import (
    ATTEMPT,
    CHANGED,
    DELIVERY,
    EVENT,
    TARGET,
    changed_of,
    values_of_attempt,
    values_of_delivery,
    values_of_event,
    values_of_target,
)
from aragora.webhooks.store.units import CancelWaiting, Enqueue, Outcome, Reschedule, Unit
from aragora.webhooks.store.write_group import (
    Standing,
    Writes,
    delivery_ids,
    fences,
    resolve,
    standings_of,
    tenure_keys,
)

COUNTER_SHARDS: Final = 16  # writers that count the same sample at once wait for each other once in so many times

_TYPES: Final = {
    **dict.fromkeys(("created_at", "due_at", "budget_at", "ended_at", "started_at", "duration_s"), "float8"),
    **dict.fromkeys(("retry_after_s", "opened_at", "retry_at", "paused_until", "failing_since"), "float8"),
    **dict.fromkeys(("seq", "attempts", "budget_from", "throttled", "last_code", "number", "code"), "int4"),
    **dict.fromkeys(("consecutive_failures", "failures"), "int4"),
    "old_secret_first": "bool",
}


def _arrays(columns: Sequence[str]) -> str:
    return ", ".join(f"${place}::{_TYPES.get(name, 'text')}[]" for place, name in enumerate(columns, 1))


def _inserting(table: str, columns: Sequence[str], conflict: str = "") -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM unnest({_arrays(columns)}){conflict}"  # noqa: S608


EPOCHS: Final = (  # a successor waits for this transaction
    "SELECT key, epoch FROM webhook_owners WHERE key = ANY($1::text[]) ORDER BY key FOR SHARE"
)
STANDINGS: Final = (
    "SELECT delivery_id, status, attempts, due_at, ended_at, holder FROM webhook_deliveries "
    "WHERE delivery_id = ANY($1::text[]) ORDER BY delivery_id FOR NO KEY UPDATE"
)
# The event's row is locked also where it was there: purging waits, and then sees its new deliveries.
EVENTS: Final = _inserting(
    "webhook_events", EVENT, " ON CONFLICT (event_id) DO UPDATE SET created_at = webhook_events.created_at"
)
DELIVERIES: Final = _inserting(
    "webhook_deliveries", DELIVERY, " ON CONFLICT (delivery_id) DO NOTHING RETURNING delivery_id"
)
ATTEMPTS: Final = _inserting("webhook_attempts", ATTEMPT)
TARGETS: Final = _inserting(
    "webhook_targets",
    TARGET,
    f" ON CONFLICT (target_id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in TARGET[1:])}",
)
_CHANGED: Final = ("delivery_id", *CHANGED)
CHANGE: Final = (
    f"UPDATE webhook_deliveries SET {', '.join(f'{name} = new.{name}' for name in CHANGED)} "  # noqa: S608
    f"FROM unnest({_arrays(_CHANGED)}) AS new ({', '.join(_CHANGED)}) "
    "WHERE webhook_deliveries.delivery_id = new.delivery_id"
)
# Chosen once, in a step of its own: a subquery with LIMIT may be run again for each row, and find others.
CANCEL: Final = """
WITH chosen AS MATERIALIZED (
  SELECT delivery_id FROM webhook_deliveries WHERE target_id = $3 AND ended_at IS NULL
  ORDER BY due_at, delivery_id LIMIT $4 FOR NO KEY UPDATE
), cancelled AS (
  UPDATE webhook_deliveries SET status = 'CANCELLED', ended_at = $1, last_error = $2
  FROM chosen WHERE webhook_deliveries.delivery_id = chosen.delivery_id RETURNING 1
) SELECT count(*) FROM cancelled
"""
RESCHEDULE: Final = """
WITH chosen AS MATERIALIZED (
  SELECT delivery_id FROM webhook_deliveries
  WHERE target_id = $2 AND ended_at IS NULL AND due_at >= $3 AND due_at < $4
  ORDER BY due_at, delivery_id LIMIT $5 FOR NO KEY UPDATE
), changed AS (
  UPDATE webhook_deliveries SET due_at = $1
  FROM chosen WHERE webhook_deliveries.delivery_id = chosen.delivery_id RETURNING 1
) SELECT count(*) FROM changed
"""
COUNT: Final = (
    "INSERT INTO webhook_counters (sample, labels, shard, value) "
    "SELECT sample, labels, $4::int4, value FROM unnest($1::text[], $2::text[], $3::float8[]) AS t (sample, labels, value) "
    "ON CONFLICT (sample, labels, shard) DO UPDATE SET value = webhook_counters.value + excluded.value"
)


class PostgresDeliveries:
    """Writes groups over one connection of its own."""

    def __init__(self, location: Location) -> None:
        self._transactions = PostgresTransactions(location, "deliveries")
        self._shard = random.randrange(COUNTER_SHARDS)

    async def write(self, units: Sequence[Unit]) -> list[Outcome]:
        """One transaction for all units; returns when it is committed.

        Raises:
            Unavailable: the database is away, full or too slow. Nothing was written, unless the connection broke in the
                middle of the commit; then the same units, tried again, are KNOWN or already there.
            Exception: a statement was refused for what one of the units holds: nothing was written.
        """
        return await self._transactions.run(partial(self._write, units))

    async def aclose(self) -> None:
        await self._transactions.aclose()

    async def _write(self, units: Sequence[Unit], connection: asyncpg.Connection[Any]) -> list[Outcome]:
        fenced = fences(units, await _epochs(connection, tenure_keys(units)))
        free = {place: unit for place, unit in enumerate(units) if place not in fenced}
        changed = await _change_many(connection, free)
        new = await _enqueue(connection, [unit for unit in free.values() if isinstance(unit, Enqueue)])
        standings = await _standings(connection, delivery_ids(free.values()))
        outcomes, writes = resolve(units, fenced, changed, new, standings)
        await self._write_all(connection, writes)
        return outcomes

    async def _write_all(self, connection: asyncpg.Connection[Any], writes: Writes) -> None:
        if writes.deliveries:
            rows = [(key, *changed_of(writes.deliveries[key])) for key in sorted(writes.deliveries)]
            await connection.execute(CHANGE, *columns_of(rows))
        if writes.attempts:
            made = [values_of_attempt(delivery.target_id, attempt) for delivery, attempt in writes.attempts]
            await connection.execute(ATTEMPTS, *columns_of(made))
        if writes.targets:
            kept = [values_of_target(writes.targets[key]) for key in sorted(writes.targets)]
            await connection.execute(TARGETS, *columns_of(kept))
        if writes.counters:
            counted = [(*key, writes.counters[key]) for key in sorted(writes.counters)]
            await connection.execute(COUNT, *columns_of(counted), self._shard)


async def _epochs(connection: asyncpg.Connection[Any], keys: Sequence[str]) -> dict[str, int]:
    return {row[0]: row[1] for row in await connection.fetch(EPOCHS, keys)} if keys else {}


async def _change_many(connection: asyncpg.Connection[Any], units: Mapping[int, Unit]) -> dict[int, int]:
    changed: dict[int, int] = {}
    for place, unit in units.items():
        if isinstance(unit, CancelWaiting):
            changed[place] = await connection.fetchval(CANCEL, unit.at, unit.reason, unit.target_id, unit.limit)
        elif isinstance(unit, Reschedule):
            window = (unit.at, unit.target_id, unit.since, unit.until, unit.limit)
            changed[place] = await connection.fetchval(RESCHEDULE, *window)
    return changed


async def _enqueue(connection: asyncpg.Connection[Any], units: Sequence[Enqueue]) -> set[str]:
    """Insert the deliveries that are not there yet; returns their ids."""
    wanted = {delivery.delivery_id: delivery for unit in units for delivery in unit.deliveries}
    if not wanted:
        return set()
    events = {unit.event.event_id: unit.event for unit in units if unit.deliveries}
    await connection.execute(EVENTS, *columns_of([values_of_event(events[key]) for key in sorted(events)]))
    rows = [values_of_delivery(wanted[key]) for key in sorted(wanted)]
    return {row[0] for row in await connection.fetch(DELIVERIES, *columns_of(rows))}


async def _standings(connection: asyncpg.Connection[Any], ids: Sequence[str]) -> dict[str, Standing]:
    return standings_of(await connection.fetch(STANDINGS, ids)) if ids else {}
