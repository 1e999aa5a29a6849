"""A group of units about executions as one SQLite transaction, below SQLAlchemy as the journal of debates is
(docs/adr/0007). All values are parameters."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from aragora.encoding import encode_text
from aragora.storage.contexts import Location
from aragora.storage.sqlite_transactions import SqliteTransactions
from aragora.workflows.records import CHANGED, COLUMNS, MESSAGE, ExecutionRecord, record_of
from aragora.workflows.store.write_group import (
    BESIDES,
    INBOX_MAX,
    Held,
    KeyPlace,
    Outcome,
    Unit,
    Writes,
    execution_ids,
    is_owners,
    key_places,
    message_ids,
    new_ids,
    receivers,
    resolve,
    succeeded,
    values_of_advance,
    values_of_new,
    values_of_outbox,
)

_RECORD: Final = ", ".join(COLUMNS)
_ADVANCED: Final = ("last_seq", "updated_at", *CHANGED)


def _inserting(table: str, columns: Sequence[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608


# A list of ids travels as one JSON text, so that the statement is the same for any number of them.
EPOCH: Final = "SELECT epoch FROM workflow_owner WHERE one = 1"
LAST_SEQ: Final = (
    "SELECT execution_id, last_seq FROM workflow_executions WHERE execution_id IN (SELECT value FROM json_each(?))"
)
THERE: Final = f"SELECT {_RECORD} FROM workflow_executions WHERE execution_id IN (SELECT value FROM json_each(?))"  # noqa: S608
KEYED: Final = (
    f"SELECT {_RECORD}, request_hash FROM workflow_executions "  # noqa: S608
    "WHERE org_id = ? AND workspace = ? AND started_by = ? AND idempotency_key = ?"
)
WAITING: Final = (
    "SELECT count(*) FROM (SELECT 1 FROM workflow_inbox INDEXED BY workflow_inbox_of WHERE execution_id = ? LIMIT ?)"
)
POSTED: Final = "SELECT message_id FROM workflow_inbox WHERE message_id IN (SELECT value FROM json_each(?))"
START: Final = _inserting("workflow_executions", (*COLUMNS, *BESIDES))
JOURNAL: Final = _inserting("workflow_journal", ("execution_id", "seq", "type", "payload", "at"))
ADVANCE: Final = (
    f"UPDATE workflow_executions SET {', '.join(f'{name} = ?' for name in _ADVANCED)} WHERE execution_id = ?"  # noqa: S608
)
POST: Final = _inserting("workflow_inbox", MESSAGE)
TAKE: Final = "DELETE FROM workflow_inbox WHERE message_id = ?"
OUTBOX: Final = _inserting("workflow_outbox", ("outbox_id", "topic", "execution_id", "payload", "created_at"))
DONE: Final = "DELETE FROM workflow_outbox WHERE outbox_id = ?"
BURY: Final = "UPDATE workflow_outbox SET topic = ? WHERE outbox_id = ?"
COUNT: Final = (
    "INSERT INTO workflow_counters (sample, labels, shard, value) VALUES (?, ?, 0, ?) "
    "ON CONFLICT (sample, labels, shard) DO UPDATE SET value = value + excluded.value"
)


class SqliteExecutions:
    """Writes groups to the SQLite file of a location, as the owner that began with the epoch `tenure`."""

    def __init__(self, location: Location, tenure: int | None) -> None:
        self._transactions = SqliteTransactions(location, "executions")
        self._tenure = tenure

    async def write(self, units: Sequence[Unit]) -> list[Outcome]:
        """One transaction for all units; returns when it is on disk.

        Raises:
            Unavailable: disk full, I/O error or locked for too long: nothing was written.
            Exception: a statement was refused for what one of the units holds, or one of its projections raised it:
                nothing was written.
        """
        return await self._transactions.run(partial(self._write, units))

    async def aclose(self) -> None:
        await self._transactions.aclose()

    def _write(self, units: Sequence[Unit], connection: sqlite3.Connection) -> list[Outcome]:
        outcomes, writes = resolve(units, _held(connection, units), fence=self._fence(connection, units))
        _write_all(connection, writes)
        return outcomes

    def _fence(self, connection: sqlite3.Connection, units: Sequence[Unit]) -> str | None:
        if self._tenure is None or not any(map(is_owners, units)):
            return None
        row = connection.execute(EPOCH).fetchone()
        epoch = row and row[0]
        return None if epoch == self._tenure else succeeded(self._tenure, epoch)


def _held(connection: sqlite3.Connection, units: Sequence[Unit]) -> Held:
    return Held(
        dict(_of_ids(connection, LAST_SEQ, execution_ids(units))),
        {row[0]: record_of(row) for row in _of_ids(connection, THERE, new_ids(units))},
        _keys(connection, key_places(units)),
        {one: connection.execute(WAITING, (one, INBOX_MAX)).fetchone()[0] for one in receivers(units)},
        frozenset(row[0] for row in _of_ids(connection, POSTED, message_ids(units))),
    )


def _of_ids(connection: sqlite3.Connection, query: str, ids: Sequence[str]) -> list[Any]:
    return connection.execute(query, (encode_text(ids),)).fetchall() if ids else []


def _keys(connection: sqlite3.Connection, places: Sequence[KeyPlace]) -> dict[KeyPlace, tuple[ExecutionRecord, str]]:
    found: dict[KeyPlace, tuple[ExecutionRecord, str]] = {}
    for place in places:
        row: tuple[Any, ...] | None = connection.execute(KEYED, place).fetchone()
        if row is not None:
            found[place] = record_of(row[:-1]), row[-1]
    return found


def _write_all(connection: sqlite3.Connection, writes: Writes) -> None:
    if writes.new:
        connection.executemany(START, map(values_of_new, writes.new))
    connection.executemany(JOURNAL, writes.journal)
    connection.executemany(ADVANCE, [(*values_of_advance(one), key) for key, one in writes.advances.items()])
    if writes.gone:
        connection.executemany(TAKE, [(message_id,) for message_id in writes.gone])
    if writes.posted:
        rows = [(of.message_id, of.execution_id, of.kind, of.payload, of.created_at) for of in writes.posted.values()]
        connection.executemany(POST, rows)
    if writes.outbox:
        connection.executemany(OUTBOX, map(values_of_outbox, writes.outbox))
    if writes.done:
        connection.executemany(DONE, [(outbox_id,) for outbox_id in writes.done])
    if writes.buried:
        connection.executemany(BURY, [(topic, outbox_id) for outbox_id, topic in writes.buried])
    if writes.counters:
        connection.executemany(COUNT, [(*key, by) for key, by in writes.counters.items()])
    for projection in writes.extra:
        projection.sqlite(connection)
