"""A group of units about executions as one PostgreSQL transaction, a statement per table whatever the group's size.

Below SQLAlchemy as the journal of debates is (docs/adr/0007). Rows travel as arrays. Locks are taken in one order
everywhere (the owner, executions by id, messages by id, counters by name), so that groups of several processes wait for
each other instead of deadlocking.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import asyncpg

from aragora.storage.contexts import Location
from aragora.storage.postgres_transactions import PostgresTransactions, columns_of
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

COUNTER_SHARDS: Final = 16  # writers that count the same sample at once wait for each other once in so many times

_RECORD: Final = ", ".join(COLUMNS)
_ADVANCED: Final = ("execution_id", "last_seq", "updated_at", *CHANGED)
_TYPES: Final = {
    **dict.fromkeys(("started_at", "updated_at", "ended_at", "due_at", "created_at", "at"), "float8"),
    **dict.fromkeys(("version", "last_seq", "depth", "seq"), "int4"),
    "cost_micros": "int8",
    "active": "bool",
}


def _arrays(columns: Sequence[str]) -> str:
    """A parameter for each column, an array."""
    return ", ".join(f"${place}::{_TYPES.get(name, 'text')}[]" for place, name in enumerate(columns, 1))


def _inserting(table: str, columns: Sequence[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM unnest({_arrays(columns)})"  # noqa: S608


EPOCH: Final = "SELECT epoch FROM workflow_owner WHERE one = 1 FOR SHARE"  # a successor waits for this transaction
LAST_SEQ: Final = (
    "SELECT execution_id, last_seq FROM workflow_executions WHERE execution_id = ANY($1::text[]) "
    "ORDER BY execution_id FOR NO KEY UPDATE"
)
THERE: Final = f"SELECT {_RECORD} FROM workflow_executions WHERE execution_id = ANY($1::text[])"  # noqa: S608
KEYED: Final = (
    f"SELECT {_RECORD}, request_hash, idempotency_key FROM workflow_executions "  # noqa: S608
    "WHERE (org_id, workspace, started_by, idempotency_key) IN "
    "(SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]))"
)
WAITING: Final = (
    "SELECT wanted.id, (SELECT count(*) FROM (SELECT 1 FROM workflow_inbox WHERE execution_id = wanted.id LIMIT $2) AS t) "
    "FROM unnest($1::text[]) AS wanted (id)"
)
POSTED: Final = "SELECT message_id FROM workflow_inbox WHERE message_id = ANY($1::text[])"
START: Final = _inserting("workflow_executions", (*COLUMNS, *BESIDES))
JOURNAL: Final = _inserting("workflow_journal", ("execution_id", "seq", "type", "payload", "at"))
ADVANCE: Final = (
    f"UPDATE workflow_executions SET {', '.join(f'{name} = new.{name}' for name in _ADVANCED[1:])} "  # noqa: S608
    f"FROM unnest({_arrays(_ADVANCED)}) AS new ({', '.join(_ADVANCED)}) "
    "WHERE workflow_executions.execution_id = new.execution_id"
)
POST: Final = _inserting("workflow_inbox", MESSAGE) + " ON CONFLICT DO NOTHING"  # another process posts the same one
TAKE: Final = "DELETE FROM workflow_inbox WHERE message_id = ANY($1::text[])"
OUTBOX: Final = _inserting("workflow_outbox", ("outbox_id", "topic", "execution_id", "payload", "created_at"))
DONE: Final = "DELETE FROM workflow_outbox WHERE outbox_id = ANY($1::text[])"
BURY: Final = (
    "UPDATE workflow_outbox SET topic = buried.topic FROM unnest($1::text[], $2::text[]) AS buried (outbox_id, topic) "
    "WHERE workflow_outbox.outbox_id = buried.outbox_id"
)
COUNT: Final = (
    "INSERT INTO workflow_counters (sample, labels, shard, value) "
    "SELECT sample, labels, $4::int4, value FROM unnest($1::text[], $2::text[], $3::float8[]) AS t (sample, labels, value) "
    "ON CONFLICT (sample, labels, shard) DO UPDATE SET value = workflow_counters.value + excluded.value"
)


class PostgresExecutions:
    """Writes groups over one connection of its own, as the owner that began with the epoch `tenure`."""

    def __init__(self, location: Location, tenure: int | None) -> None:
        self._transactions = PostgresTransactions(location, "executions")
        self._tenure = tenure
        self._shard = random.randrange(COUNTER_SHARDS)

    async def write(self, units: Sequence[Unit]) -> list[Outcome]:
        """One transaction for all units; returns when it is committed.

        Raises:
            Unavailable: the database is away, full or too slow. Nothing was written, unless the connection broke in the
                middle of the commit; then the same units, tried again, are Fenced.
            Exception: a statement was refused for what one of the units holds, or one of its projections raised it:
                nothing was written.
        """
        writing = partial(self._write, units)
        try:
            return await self._transactions.run(writing)
        except asyncpg.UniqueViolationError:  # another process started the same meanwhile: now it is there to be found
            return await self._transactions.run(writing)

    async def aclose(self) -> None:
        await self._transactions.aclose()

    async def _write(self, units: Sequence[Unit], connection: asyncpg.Connection[Any]) -> list[Outcome]:
        fence = await self._fence(connection, units)
        outcomes, writes = resolve(units, await _held(connection, units), fence=fence)
        await _write_all(connection, writes, self._shard)
        return outcomes

    async def _fence(self, connection: asyncpg.Connection[Any], units: Sequence[Unit]) -> str | None:
        if self._tenure is None or not any(map(is_owners, units)):
            return None
        epoch = await connection.fetchval(EPOCH)
        return None if epoch == self._tenure else succeeded(self._tenure, epoch)


async def _held(connection: asyncpg.Connection[Any], units: Sequence[Unit]) -> Held:
    return Held(
        {row[0]: row[1] for row in await _of_ids(connection, LAST_SEQ, execution_ids(units))},
        {row[0]: record_of(tuple(row)) for row in await _of_ids(connection, THERE, new_ids(units))},
        await _keys(connection, key_places(units)),
        {row[0]: row[1] for row in await _of_ids(connection, WAITING, receivers(units), INBOX_MAX)},
        frozenset(row[0] for row in await _of_ids(connection, POSTED, message_ids(units))),
    )


async def _of_ids(connection: asyncpg.Connection[Any], query: str, ids: Sequence[str], *more: int) -> Sequence[Any]:
    return await connection.fetch(query, ids, *more) if ids else ()


async def _keys(
    connection: asyncpg.Connection[Any], places: Sequence[KeyPlace]
) -> dict[KeyPlace, tuple[ExecutionRecord, str]]:
    found: dict[KeyPlace, tuple[ExecutionRecord, str]] = {}
    for row in await connection.fetch(KEYED, *columns_of(places)) if places else ():
        record = record_of(tuple(row)[: len(COLUMNS)])
        place = (record.org_id, record.workspace, record.started_by, row["idempotency_key"])
        found[place] = record, row["request_hash"]
    return found


async def _write_all(connection: asyncpg.Connection[Any], writes: Writes, shard: int) -> None:
    if writes.new:
        await connection.execute(START, *columns_of([values_of_new(new) for new in writes.new]))
    if writes.journal:
        await connection.execute(JOURNAL, *columns_of(writes.journal))
    if writes.advances:
        rows = [(key, *values_of_advance(writes.advances[key])) for key in sorted(writes.advances)]
        await connection.execute(ADVANCE, *columns_of(rows))
    await _write_inbox(connection, writes)
    if writes.outbox:
        await connection.execute(OUTBOX, *columns_of([values_of_outbox(row) for row in writes.outbox]))
    if writes.done:
        await connection.execute(DONE, writes.done)
    if writes.buried:
        await connection.execute(BURY, *columns_of(writes.buried))
    if writes.counters:
        counted = [(*key, writes.counters[key]) for key in sorted(writes.counters)]
        await connection.execute(COUNT, *columns_of(counted), shard)
    for projection in writes.extra:
        await projection.postgres(connection)


async def _write_inbox(connection: asyncpg.Connection[Any], writes: Writes) -> None:
    if writes.gone:
        await connection.execute(TAKE, sorted(writes.gone))
    if writes.posted:
        messages = [writes.posted[key] for key in sorted(writes.posted)]
        rows = [(of.message_id, of.execution_id, of.kind, of.payload, of.created_at) for of in messages]
        await connection.execute(POST, *columns_of(rows))
