"""Which outbox rows a store has applied: remembered in the transaction that applies them, so each counts once."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.storage.database import Database
from aragora.storage.tables import insert_into


async def newly_applied(
    database: Database, connection: AsyncConnection, table: Table, outbox_ids: Collection[str]
) -> list[str]:
    """Remember these rows, at least one and each named once, in `table` (one column, `outbox_id`); returns those it did not
    hold before, in their order. Another transaction that holds one of them is waited for."""
    remember = insert_into(database, table).on_conflict_do_nothing().returning(table.c.outbox_id)
    rows = await connection.execute(remember, [{"outbox_id": outbox_id} for outbox_id in sorted(outbox_ids)])
    new = {row.outbox_id for row in rows}
    return [outbox_id for outbox_id in outbox_ids if outbox_id in new]
