"""A group of journal units as one PostgreSQL transaction, a statement per table whatever the group's size.

Below SQLAlchemy on purpose (docs/adr/0007). Rows travel as arrays. Locks are taken in one order everywhere
(idempotency keys, debates by id, the chain's head, accounts, counters by name), so that groups of several processes
wait for each other instead of deadlocking.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import asyncpg

from aragora.debate.budget import AccountKey, Books, Held
from aragora.debate.records import (
    COLUMNS,
    GENESIS,
    ChainHead,
    NewDebate,
    ReceiptRecord,
    Tenure,
    Told,
    receipt_of,
    record_of,
)
from aragora.debate.store.journal_sqlite import BESIDES, CERTIFIED, values_of_new
from aragora.debate.store.write_group import (
    Kept,
    Outcome,
    Unit,
    Writes,
    account_keys_of,
    books_of,
    certified_ids,
    debate_ids,
    needs_head,
    resolve,
    standings_of,
    succeeded,
)
from aragora.errors import Unavailable
from aragora.storage.contexts import Location
from aragora.storage.postgres_transactions import PostgresTransactions, columns_of

COUNTER_SHARDS: Final = 16  # writers that count the same sample at once wait for each other once in so many times

_OPEN_TYPES: Final = {
    "created_at": "float8",
    "updated_at": "float8",
    "cost_usd": "float8",
    "rounds": "int4",
    "last_seq": "int4",
    "held_micros": "int8",
}
_OPEN_COLUMNS: Final = (*COLUMNS, *BESIDES)
_OPEN_ARRAYS: Final = ", ".join(
    f"${place}::{_OPEN_TYPES.get(name, 'text')}[]" for place, name in enumerate(_OPEN_COLUMNS, 1)
)
OPEN: Final = (
    f"INSERT INTO debates ({', '.join(_OPEN_COLUMNS)}) SELECT * FROM unnest({_OPEN_ARRAYS}) "  # noqa: S608  constant
    "ON CONFLICT DO NOTHING RETURNING debate_id"
)
KEPT: Final = (
    f"SELECT {', '.join(COLUMNS)}, request_hash FROM debates "  # noqa: S608  constant names
    "WHERE debate_id = $1 OR (org_id = $2 AND workspace = $3 AND created_by = $4 AND idempotency_key = $5)"
)
EPOCH: Final = "SELECT epoch FROM shard_epochs WHERE shard = $1 FOR SHARE"  # a successor waits for this transaction
LAST_SEQ: Final = (
    "SELECT debate_id, last_seq, org_id, budget_month, held_micros FROM debates WHERE debate_id = ANY($1::text[]) "
    "ORDER BY debate_id FOR NO KEY UPDATE"
)
HEAD: Final = "SELECT position, hash FROM receipt_chain WHERE chain = 1 FOR NO KEY UPDATE"
JOURNAL: Final = (
    "INSERT INTO journal (debate_id, seq, type, payload, at) "
    "SELECT * FROM unnest($1::text[], $2::int4[], $3::text[], $4::text[], $5::float8[])"
)
CHANGE: Final = """
UPDATE debates SET last_seq = new.last_seq, updated_at = new.updated_at,
  status = coalesce(new.status, debates.status), rounds = coalesce(new.rounds, debates.rounds),
  decision = coalesce(new.decision, debates.decision), reason = coalesce(new.reason, debates.reason),
  cost_usd = coalesce(new.cost_usd, debates.cost_usd), receipt_id = coalesce(new.receipt_id, debates.receipt_id)
FROM unnest($1::text[], $2::int4[], $3::float8[], $4::text[], $5::int4[], $6::text[], $7::text[], $8::float8[],
  $9::text[]) AS new (debate_id, last_seq, updated_at, status, rounds, decision, reason, cost_usd, receipt_id)
WHERE debates.debate_id = new.debate_id
"""
RECEIPT: Final = (
    "INSERT INTO receipts (receipt_id, debate_id, position, hash, previous_hash, document, issued_at, kind) "
    "SELECT * FROM unnest($1::text[], $2::text[], $3::int8[], $4::text[], $5::text[], $6::text[], $7::float8[], "
    "$8::text[])"
)
MOVE_HEAD: Final = "UPDATE receipt_chain SET position = $1, hash = $2 WHERE chain = 1"
REFUSE: Final = "DELETE FROM debates WHERE debate_id = ANY($1::text[])"
ACCOUNT_ROWS: Final = (
    "INSERT INTO accounts (account, month, spent, held) "
    "SELECT account, month, 0, 0 FROM unnest($1::text[], $2::text[]) AS t (account, month) ON CONFLICT DO NOTHING"
)
BALANCES: Final = (
    "SELECT account, month, spent, held FROM accounts WHERE (account, month) IN "
    "(SELECT * FROM unnest($1::text[], $2::text[])) ORDER BY account, month FOR NO KEY UPDATE"
)
OVERRIDES: Final = "SELECT org_id, micros FROM budget_limits WHERE org_id = ANY($1::text[])"
ACCOUNT: Final = (
    "INSERT INTO accounts (account, month, spent, held) "
    "SELECT * FROM unnest($1::text[], $2::text[], $3::int8[], $4::int8[]) ON CONFLICT (account, month) "
    "DO UPDATE SET spent = accounts.spent + excluded.spent, held = accounts.held + excluded.held"
)
OUTBOX: Final = (
    "INSERT INTO outbox (outbox_id, topic, debate_id, payload, created_at) "
    "SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::float8[])"
)
DONE: Final = "DELETE FROM outbox WHERE outbox_id = ANY($1::text[])"
BURY: Final = (
    "UPDATE outbox SET topic = buried.topic FROM unnest($1::text[], $2::text[]) AS buried (outbox_id, topic) "
    "WHERE outbox.outbox_id = buried.outbox_id"
)
COUNT: Final = (
    "INSERT INTO counters (sample, labels, shard, value) "
    "SELECT sample, labels, $4::int4, value FROM unnest($1::text[], $2::text[], $3::float8[]) AS t (sample, labels, value) "
    "ON CONFLICT (sample, labels, shard) DO UPDATE SET value = counters.value + excluded.value"
)


class PostgresJournal:
    """Writes groups over one connection of its own."""

    def __init__(self, location: Location, tenure: Tenure | None, told: Callable[[], Told]) -> None:
        self._transactions = PostgresTransactions(location, "journal")
        self._tenure = tenure
        self._told = told
        self._shard = random.randrange(COUNTER_SHARDS)

    async def write(self, units: Sequence[Unit]) -> list[Outcome]:
        """One transaction for all units; returns when it is committed.

        Raises:
            Fenced: the shard of the writer's tenure has a newer owner: nothing was written.
            Unavailable: the database is away, full or too slow. Nothing was written, unless the connection broke in the
                middle of the commit; then the same units, tried again, are Fenced.
            Exception: a statement was refused for what one of the units holds: nothing was written.
        """
        return await self._transactions.run(partial(self._write, units))

    async def aclose(self) -> None:
        await self._transactions.aclose()

    async def _write(self, units: Sequence[Unit], connection: asyncpg.Connection[Any]) -> list[Outcome]:
        await self._check_tenure(connection)
        kept = await _open(connection, [unit for unit in units if isinstance(unit, NewDebate)])
        ids = debate_ids(units)
        last_seqs, held, orgs = standings_of(await connection.fetch(LAST_SEQ, ids) if ids else ())
        head = await _head(connection) if needs_head(units) else GENESIS
        books = await _books(connection, account_keys_of(units), held)
        certified = await _certified(connection, certified_ids(units))
        outcomes, writes = resolve(
            units, kept, last_seqs, head, books, orgs=orgs, told=self._told(), certified=certified
        )
        await self._write_all(connection, writes)
        return outcomes

    async def _check_tenure(self, connection: asyncpg.Connection[Any]) -> None:
        if self._tenure is not None:
            epoch = await connection.fetchval(EPOCH, self._tenure.shard)
            if epoch != self._tenure.epoch:
                raise succeeded(self._tenure, epoch)

    async def _write_all(self, connection: asyncpg.Connection[Any], writes: Writes) -> None:
        if writes.refused:
            await connection.execute(REFUSE, writes.refused)
        if writes.journal:
            await connection.execute(JOURNAL, *columns_of(writes.journal))
        if writes.advances:
            await connection.execute(CHANGE, *columns_of([_changed(writes, key) for key in sorted(writes.advances)]))
        if writes.receipts:
            rows = [
                (r.receipt_id, r.debate_id, r.position, r.hash, r.previous_hash, r.document, r.issued_at, r.kind)
                for r in writes.receipts
            ]
            await connection.execute(RECEIPT, *columns_of(rows))
        if writes.head is not None:
            await connection.execute(MOVE_HEAD, writes.head.position, writes.head.hash)
        await _write_outbox(connection, writes)
        if writes.accounts:
            changes = [(*key, writes.accounts[key].spent, writes.accounts[key].held) for key in sorted(writes.accounts)]
            await connection.execute(ACCOUNT, *columns_of(changes))
        if writes.counters:
            counted = [(*key, writes.counters[key]) for key in sorted(writes.counters)]
            await connection.execute(COUNT, *columns_of(counted), self._shard)


async def _write_outbox(connection: asyncpg.Connection[Any], writes: Writes) -> None:
    if writes.outbox:
        rows = [(o.outbox_id, o.topic, o.debate_id, o.payload, o.created_at) for o in writes.outbox]
        await connection.execute(OUTBOX, *columns_of(rows))
    if writes.done:
        await connection.execute(DONE, writes.done)
    if writes.buried:
        await connection.execute(BURY, *columns_of(writes.buried))


async def _open(connection: asyncpg.Connection[Any], debates: Sequence[NewDebate]) -> dict[str, Kept]:
    if not debates:
        return {}
    ordered = sorted(debates, key=_idempotency_key)
    inserted = await connection.fetch(OPEN, *columns_of([values_of_new(new) for new in ordered]))
    created = {row[0] for row in inserted}
    kept: dict[str, Kept] = {}
    for new in debates:
        if new.record.debate_id not in created:
            record = new.record
            row = await connection.fetchrow(
                KEPT, record.debate_id, record.org_id, record.workspace, record.created_by, new.idempotency_key
            )
            kept[record.debate_id] = Kept(record_of(tuple(row)[:-1]), row[-1])
    return kept


def _idempotency_key(new: NewDebate) -> tuple[str, str, str, str]:
    """The order in which two processes come upon the same keys."""
    record = new.record
    return record.org_id, record.workspace, record.created_by, new.idempotency_key or ""


async def _books(connection: asyncpg.Connection[Any], keys: Sequence[AccountKey], held: Mapping[str, Held]) -> Books:
    """The accounts of `keys`, locked: an opening in another process waits until this one has counted."""
    if not keys:
        return Books(held)
    columns = columns_of(keys)
    balances = await connection.fetch(BALANCES, *columns)
    if len(balances) < len(keys):  # the first debate of a month
        await connection.execute(ACCOUNT_ROWS, *columns)
        balances = await connection.fetch(BALANCES, *columns)
    return books_of(balances, await connection.fetch(OVERRIDES, columns[0]), held)


async def _head(connection: asyncpg.Connection[Any]) -> ChainHead:
    row = await connection.fetchrow(HEAD)
    if row is None:
        raise Unavailable("the receipt chain has no head row: run `python -m aragora.migrations.apply`")
    return ChainHead(*row)


async def _certified(connection: asyncpg.Connection[Any], ids: Sequence[str]) -> dict[str, ReceiptRecord]:
    """Of these documents those that are there. The head is held, so nobody else issues one meanwhile."""
    if not ids:
        return {}
    rows = await connection.fetch(f"{CERTIFIED}ANY($1::text[])", ids)
    return {row[0]: receipt_of(tuple(row)) for row in rows}


def _changed(writes: Writes, debate_id: str) -> tuple[object, ...]:
    advance = writes.advances[debate_id]
    new = advance.update
    return (
        debate_id,
        advance.last_seq,
        advance.updated_at,
        new.status,
        new.rounds,
        new.decision,
        new.reason,
        new.cost_usd,
        new.receipt_id,
    )
