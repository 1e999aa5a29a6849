"""A group of journal units as one SQLite transaction: the hot path, one hop to a thread of its own per group.

Below SQLAlchemy on purpose (docs/adr/0007): every answer of every debate passes here, and the driver's prepared
statements cost a tenth of Core's. All values are parameters. The tables are those of `aragora.storage.tables`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

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
    values_of,
)
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
from aragora.storage.contexts import Location
from aragora.storage.sqlite_transactions import SqliteTransactions

IDS_PER_QUERY: Final = 500  # below SQLite's limit of parameters

BESIDES: Final = ("idempotency_key", "request_hash", "budget_month", "held_micros")
"""The columns of a new debate that are not in its record."""

OPEN: Final = (
    f"INSERT INTO debates ({', '.join((*COLUMNS, *BESIDES))}) "  # noqa: S608  constant names
    f"VALUES ({', '.join('?' * (len(COLUMNS) + len(BESIDES)))}) ON CONFLICT DO NOTHING"
)
KEPT: Final = (
    f"SELECT {', '.join(COLUMNS)}, request_hash FROM debates "  # noqa: S608  constant names
    "WHERE debate_id = ? OR (org_id = ? AND workspace = ? AND created_by = ? AND idempotency_key = ?)"
)
EPOCH: Final = "SELECT epoch FROM shard_epochs WHERE shard = ?"
LAST_SEQ: Final = "SELECT debate_id, last_seq, org_id, budget_month, held_micros FROM debates WHERE debate_id IN "
HEAD: Final = "SELECT position, hash FROM receipt_chain WHERE chain = 1"
JOURNAL: Final = "INSERT INTO journal (debate_id, seq, type, payload, at) VALUES (?, ?, ?, ?, ?)"
ADVANCE: Final = "UPDATE debates SET last_seq = ?, updated_at = ? WHERE debate_id = ?"
CHANGE: Final = (
    "UPDATE debates SET last_seq = ?, updated_at = ?, status = coalesce(?, status), rounds = coalesce(?, rounds), "
    "decision = coalesce(?, decision), reason = coalesce(?, reason), cost_usd = coalesce(?, cost_usd), "
    "receipt_id = coalesce(?, receipt_id) WHERE debate_id = ?"
)
RECEIPT: Final = (
    "INSERT INTO receipts (receipt_id, debate_id, position, hash, previous_hash, document, issued_at, kind) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
CERTIFIED: Final = (
    "SELECT receipt_id, debate_id, position, hash, previous_hash, document, issued_at, kind FROM receipts "
    "WHERE receipt_id = "
)
MOVE_HEAD: Final = (
    "INSERT INTO receipt_chain (chain, position, hash) VALUES (1, ?, ?) "
    "ON CONFLICT (chain) DO UPDATE SET position = excluded.position, hash = excluded.hash"
)
REFUSE: Final = "DELETE FROM debates WHERE debate_id = ?"
BALANCE: Final = "SELECT spent, held FROM accounts WHERE account = ? AND month = ?"
OVERRIDE: Final = "SELECT micros FROM budget_limits WHERE org_id = ?"
ACCOUNT: Final = (
    "INSERT INTO accounts (account, month, spent, held) VALUES (?, ?, ?, ?) ON CONFLICT (account, month) "
    "DO UPDATE SET spent = spent + excluded.spent, held = held + excluded.held"
)
OUTBOX: Final = "INSERT INTO outbox (outbox_id, topic, debate_id, payload, created_at) VALUES (?, ?, ?, ?, ?)"
DONE: Final = "DELETE FROM outbox WHERE outbox_id = ?"
BURY: Final = "UPDATE outbox SET topic = ? WHERE outbox_id = ?"
COUNT: Final = (
    "INSERT INTO counters (sample, labels, shard, value) VALUES (?, ?, 0, ?) "
    "ON CONFLICT (sample, labels, shard) DO UPDATE SET value = value + excluded.value"
)


class SqliteJournal:
    """Writes groups to the SQLite file of a location."""

    def __init__(self, location: Location, tenure: Tenure | None, told: Callable[[], Told]) -> None:
        self._transactions = SqliteTransactions(location, "journal")
        self._tenure = tenure
        self._told = told

    async def write(self, units: Sequence[Unit]) -> list[Outcome]:
        """One transaction for all units; returns when it is on disk.

        Raises:
            Fenced: the shard of the writer's tenure has a newer owner: nothing was written.
            Unavailable: disk full, I/O error or locked for too long: nothing was written.
            Exception: a statement was refused for what one of the units holds: nothing was written.
        """
        return await self._transactions.run(partial(self._write, units))

    async def aclose(self) -> None:
        await self._transactions.aclose()

    def _write(self, units: Sequence[Unit], connection: sqlite3.Connection) -> list[Outcome]:
        self._check_tenure(connection)
        kept = _open(connection, [unit for unit in units if isinstance(unit, NewDebate)])
        head = _head(connection) if needs_head(units) else GENESIS
        last_seqs, held, orgs = _standings(connection, debate_ids(units))
        books = _books(connection, account_keys_of(units), held)
        certified = _certified(connection, certified_ids(units))
        outcomes, writes = resolve(
            units, kept, last_seqs, head, books, orgs=orgs, told=self._told(), certified=certified
        )
        _write_all(connection, writes)
        return outcomes

    def _check_tenure(self, connection: sqlite3.Connection) -> None:
        if self._tenure is not None:
            row = connection.execute(EPOCH, (self._tenure.shard,)).fetchone()
            if row is None or row[0] != self._tenure.epoch:
                raise succeeded(self._tenure, row and row[0])


def values_of_new(new: NewDebate) -> tuple[Any, ...]:
    """The parameters of OPEN."""
    record = replace(new.record, last_seq=new.rows[-1].seq)
    request_hash = None if new.idempotency is None else new.idempotency.request_hash
    month, micros = (None, 0) if new.reservation is None else (new.reservation.month, new.reservation.micros)
    return (*values_of(record), new.idempotency_key, request_hash, month, micros)


def _open(connection: sqlite3.Connection, debates: Sequence[NewDebate]) -> dict[str, Kept]:
    kept: dict[str, Kept] = {}
    created: set[str] = set()  # one that comes twice in a group breaks the journal's key, and then goes alone
    for new in debates:
        debate_id = new.record.debate_id
        if connection.execute(OPEN, values_of_new(new)).rowcount:
            created.add(debate_id)
        elif debate_id not in created:
            record = new.record
            known = (debate_id, record.org_id, record.workspace, record.created_by, new.idempotency_key)
            row = connection.execute(KEPT, known).fetchone()
            kept[debate_id] = Kept(record_of(row[:-1]), row[-1])
    return kept


def _standings(
    connection: sqlite3.Connection, ids: Sequence[str]
) -> tuple[dict[str, int], dict[str, Held], dict[str, str]]:
    """Of each debate the last seq, what it holds in the accounts, and its organisation."""
    found: list[tuple[Any, ...]] = []
    for start in range(0, len(ids), IDS_PER_QUERY):
        part = ids[start : start + IDS_PER_QUERY]
        found += connection.execute(f"{LAST_SEQ}({','.join('?' * len(part))})", part).fetchall()
    return standings_of(found)


def _books(connection: sqlite3.Connection, keys: Sequence[AccountKey], held: dict[str, Held]) -> Books:
    rows = [(*key, *row) for key in keys for row in connection.execute(BALANCE, key)]
    overrides = [(key[0], *row) for key in keys for row in connection.execute(OVERRIDE, key[:1])]
    return books_of(rows, overrides, held)


def _head(connection: sqlite3.Connection) -> ChainHead:
    row = connection.execute(HEAD).fetchone()
    return GENESIS if row is None else ChainHead(*row)


def _certified(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, ReceiptRecord]:
    rows = [row for one in ids for row in connection.execute(f"{CERTIFIED}?", (one,))]
    return {row[0]: receipt_of(row) for row in rows}


def _write_all(connection: sqlite3.Connection, writes: Writes) -> None:
    connection.executemany(REFUSE, [(debate_id,) for debate_id in writes.refused])
    connection.executemany(JOURNAL, writes.journal)
    for debate_id, advance in writes.advances.items():
        new = advance.update
        values = (new.status, new.rounds, new.decision, new.reason, new.cost_usd, new.receipt_id)
        if any(value is not None for value in values):
            connection.execute(CHANGE, (advance.last_seq, advance.updated_at, *values, debate_id))
        else:
            connection.execute(ADVANCE, (advance.last_seq, advance.updated_at, debate_id))
    for key, change in writes.accounts.items():
        connection.execute(ACCOUNT, (*key, change.spent, change.held))
    if writes.counters:
        connection.executemany(COUNT, [(sample, labels, by) for (sample, labels), by in writes.counters.items()])
    if writes.outbox:
        connection.executemany(
            OUTBOX, [(row.outbox_id, row.topic, row.debate_id, row.payload, row.created_at) for row in writes.outbox]
        )
    if writes.done:
        connection.executemany(DONE, [(outbox_id,) for outbox_id in writes.done])
    if writes.buried:
        connection.executemany(BURY, [(topic, outbox_id) for outbox_id, topic in writes.buried])
    for receipt in writes.receipts:
        connection.execute(
            RECEIPT,
            (
                receipt.receipt_id,
                receipt.debate_id,
                receipt.position,
                receipt.hash,
                receipt.previous_hash,
                receipt.document,
                receipt.issued_at,
                receipt.kind,
            ),
        )
    if writes.head is not None:
        connection.execute(MOVE_HEAD, (writes.head.position, writes.head.hash))
