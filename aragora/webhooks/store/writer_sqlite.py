"""A group of delivery units as one SQLite transaction, below SQLAlchemy as the journal is (docs/adr/0007)."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from aragora.encoding import encode_text
from aragora.storage.contexts import Location
from aragora.storage.sqlite_transactions import SqliteTransactions
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

CACHE: Final = "PRAGMA cache_size=-32000"
"""32 MB of pages: ids of deliveries are hashes, so every new one lands on another page of their index."""


def _inserting(table: str, columns: Sequence[str], conflict: str = "") -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}){conflict}"  # noqa: S608


# A list of ids travels as one JSON text, so that the statement is the same for any number of them.
EPOCHS: Final = "SELECT key, epoch FROM webhook_owners WHERE key IN (SELECT value FROM json_each(?))"
STANDINGS: Final = (
    "SELECT delivery_id, status, attempts, due_at, ended_at, holder FROM webhook_deliveries "
    "WHERE delivery_id IN (SELECT value FROM json_each(?))"
)
KNOWN: Final = "SELECT delivery_id FROM webhook_deliveries WHERE delivery_id IN (SELECT value FROM json_each(?))"
EVENTS: Final = _inserting("webhook_events", EVENT, " ON CONFLICT (event_id) DO NOTHING")
DELIVERIES: Final = _inserting("webhook_deliveries", DELIVERY)
ATTEMPTS: Final = _inserting("webhook_attempts", ATTEMPT)
TARGETS: Final = _inserting(
    "webhook_targets",
    TARGET,
    f" ON CONFLICT (target_id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in TARGET[1:])}",
)
CHANGE: Final = f"UPDATE webhook_deliveries SET {', '.join(f'{name} = ?' for name in CHANGED)} WHERE delivery_id = ?"  # noqa: S608
CANCEL: Final = (
    "UPDATE webhook_deliveries SET status = 'CANCELLED', ended_at = ?, last_error = ? WHERE delivery_id IN "
    "(SELECT delivery_id FROM webhook_deliveries WHERE target_id = ? AND ended_at IS NULL "
    "ORDER BY due_at, delivery_id LIMIT ?)"
)
RESCHEDULE: Final = (
    "UPDATE webhook_deliveries SET due_at = ? WHERE delivery_id IN "
    "(SELECT delivery_id FROM webhook_deliveries WHERE target_id = ? AND ended_at IS NULL "
    "AND due_at >= ? AND due_at < ? ORDER BY due_at, delivery_id LIMIT ?)"
)
COUNT: Final = (
    "INSERT INTO webhook_counters (sample, labels, shard, value) VALUES (?, ?, 0, ?) "
    "ON CONFLICT (sample, labels, shard) DO UPDATE SET value = value + excluded.value"
)


class SqliteDeliveries:
    """Writes groups to the SQLite file of a location."""

    def __init__(self, location: Location) -> None:
        self._transactions = SqliteTransactions(location, "deliveries", (CACHE,))

    async def write(self, units: Sequence[Unit]) -> list[Outcome]:
        """One transaction for all units; returns when it is on disk.

        Raises:
            Unavailable: disk full, I/O error or locked for too long: nothing was written.
            Exception: a statement was refused for what one of the units holds: nothing was written.
        """
        return await self._transactions.run(partial(_write, units))

    async def aclose(self) -> None:
        await self._transactions.aclose()


def _write(units: Sequence[Unit], connection: sqlite3.Connection) -> list[Outcome]:
    fenced = fences(units, _epochs(connection, tenure_keys(units)))
    free = {place: unit for place, unit in enumerate(units) if place not in fenced}
    changed = _change_many(connection, free)
    new = _enqueue(connection, [unit for unit in free.values() if isinstance(unit, Enqueue)])
    standings = _standings(connection, delivery_ids(free.values()))
    outcomes, writes = resolve(units, fenced, changed, new, standings)
    _write_all(connection, writes)
    return outcomes


def _epochs(connection: sqlite3.Connection, keys: Sequence[str]) -> dict[str, int]:
    return dict(connection.execute(EPOCHS, (encode_text(keys),)).fetchall()) if keys else {}


def _change_many(connection: sqlite3.Connection, units: Mapping[int, Unit]) -> dict[int, int]:
    changed: dict[int, int] = {}
    for place, unit in units.items():
        if isinstance(unit, CancelWaiting):
            values = (unit.at, unit.reason, unit.target_id, unit.limit)
            changed[place] = connection.execute(CANCEL, values).rowcount
        elif isinstance(unit, Reschedule):
            window = (unit.at, unit.target_id, unit.since, unit.until, unit.limit)
            changed[place] = connection.execute(RESCHEDULE, window).rowcount
    return changed


def _enqueue(connection: sqlite3.Connection, units: Sequence[Enqueue]) -> set[str]:
    """Insert the deliveries that are not there yet; returns their ids."""
    wanted = {delivery.delivery_id: delivery for unit in units for delivery in unit.deliveries}
    if not wanted:
        return set()
    for row in connection.execute(KNOWN, (encode_text(list(wanted)),)).fetchall():
        del wanted[row[0]]
    connection.executemany(EVENTS, [values_of_event(unit.event) for unit in units if unit.deliveries])
    connection.executemany(DELIVERIES, map(values_of_delivery, wanted.values()))
    return set(wanted)


def _standings(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, Standing]:
    return standings_of(connection.execute(STANDINGS, (encode_text(ids),)).fetchall()) if ids else {}


def _write_all(connection: sqlite3.Connection, writes: Writes) -> None:
    if writes.deliveries:
        connection.executemany(CHANGE, [(*changed_of(it), it.delivery_id) for it in writes.deliveries.values()])
    if writes.attempts:
        rows = [values_of_attempt(delivery.target_id, attempt) for delivery, attempt in writes.attempts]
        connection.executemany(ATTEMPTS, rows)
    if writes.targets:
        connection.executemany(TARGETS, map(values_of_target, writes.targets.values()))
    if writes.counters:
        connection.executemany(COUNT, [(sample, labels, by) for (sample, labels), by in writes.counters.items()])
