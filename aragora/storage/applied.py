"""Which outbox rows a store has applied: remembered in the transaction that applies them, so each counts once.

An id is forgotten once it cannot come again: its outbox row is gone, because a row that is done is never written again,
and `KEPT_S` has passed. The margin covers a journal that was restored from a backup while the store it feeds was not.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy import Column, Double, Index, Table, Text, bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.background import Job
from aragora.clock import Clock, SystemClock
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox_store import OutboxStore
from aragora.storage.tables import METADATA, insert_into

KEPT_S: Final = 30 * 86_400.0
PRUNE_EVERY_S: Final = 86_400.0
BATCH: Final = 500  # ids looked up and written at once: a short transaction, below SQLite's limit of parameters

_CLOCK: Final = SystemClock()


def applied_table(topic: str, context: Context) -> Table:
    """The table `TOPIC_applied` of a store that applies the outbox rows of a topic."""
    return Table(
        f"{topic}_applied",
        METADATA[context],
        Column("outbox_id", Text, primary_key=True),
        Column("applied_at", Double),  # NULL: applied before times were noted
        Index(f"ix_{topic}_applied_at", "applied_at"),
    )


async def newly_applied(
    database: Database, connection: AsyncConnection, table: Table, outbox_ids: Collection[str], clock: Clock = _CLOCK
) -> list[str]:
    """Remember these rows, at least one and each named once, in `table`; returns those it did not hold before, in their
    order. Another transaction that holds one of them is waited for."""
    now = clock.now()
    remember = insert_into(database, table).on_conflict_do_nothing().returning(table.c.outbox_id)
    values = [{"outbox_id": outbox_id, "applied_at": now} for outbox_id in sorted(outbox_ids)]
    new = {row.outbox_id for row in await connection.execute(remember, values)}
    return [outbox_id for outbox_id in outbox_ids if outbox_id in new]


async def applied_of(database: Database, table: Table, outbox_ids: Collection[str]) -> set[str]:
    """Which of these rows `table` holds. Raises Unavailable."""
    ids, found = list(outbox_ids), set[str]()
    for start in range(0, len(ids), BATCH):
        query = select(table.c.outbox_id).where(table.c.outbox_id.in_(ids[start : start + BATCH]))
        found.update(row[0] for row in await database.rows(query, "reading applied outbox rows"))
    return found


async def prune_applied(database: Database, table: Table, outbox: OutboxStore, now: float) -> int:
    """Forget the ids in `table` that cannot come again; returns how many. Ids without a time get `now` as theirs, so
    their margin begins with the first pruning. Raises Unavailable."""
    await _note_times(database, table, now)
    pruned, after = 0, (0.0, "")
    while True:
        old = await _older_than(database, table, now - KEPT_S, after)
        if not old:
            return pruned
        after = old[-1]
        ids = [outbox_id for _, outbox_id in old]
        waiting = await outbox.present(ids)
        gone = [{"gone": outbox_id} for outbox_id in ids if outbox_id not in waiting]
        if gone:
            async with database.writing("forgetting applied outbox rows") as connection:
                await connection.execute(delete(table).where(table.c.outbox_id == bindparam("gone")), gone)
        pruned += len(gone)


def pruning(database: Database, table: Table, outbox: OutboxStore, clock: Clock = _CLOCK) -> Job:
    """The daily job over one table of applied ids."""

    async def prune() -> str:
        return f"forgot {await prune_applied(database, table, outbox, clock.now())} applied outbox rows"

    return Job(f"prune {table.name}", PRUNE_EVERY_S, prune)


async def _note_times(database: Database, table: Table, now: float) -> None:
    untimed = select(table.c.outbox_id).where(table.c.applied_at.is_(None)).limit(BATCH)
    while rows := await database.rows(untimed, "reading applied outbox rows"):
        change = update(table).where(table.c.outbox_id.in_([row[0] for row in rows])).values(applied_at=now)
        async with database.writing("noting when outbox rows were applied") as connection:
            await connection.execute(change)


async def _older_than(
    database: Database, table: Table, before: float, after: tuple[float, str]
) -> list[tuple[float, str]]:
    """The next batch in the order of time and id, after the last one seen."""
    at, outbox_id = table.c.applied_at, table.c.outbox_id
    query = select(at, outbox_id).where(at < before, (at > after[0]) | ((at == after[0]) & (outbox_id > after[1])))
    rows = await database.rows(query.order_by(at, outbox_id).limit(BATCH), "reading applied outbox rows")
    return [(row[0], row[1]) for row in rows]
