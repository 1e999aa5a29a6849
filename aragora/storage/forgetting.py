"""Deleting rows whose time is over, a batch to a transaction: who writes to the same database waits no longer than one
batch takes."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Column, ColumnElement, delete, select

from aragora.storage.database import Database

BATCH: Final = 500


async def forget(database: Database, key: Column[Any], over: ColumnElement[bool]) -> int:
    """Delete the rows for which `over` holds; returns how many.

    Args:
        database: where the table is.
        key: the column that is the table's primary key.
        over: true of a row whose time is over, and of no row that may become wanted again.

    Raises Unavailable; what was deleted until then stays deleted.
    """
    table = key.table
    batch = select(key).where(over).order_by(key).limit(BATCH)
    forgotten = 0
    while True:
        async with database.writing(f"forgetting rows of {table.name}") as connection:
            gone = await connection.execute(delete(table).where(key.in_(batch), over))
        forgotten += gone.rowcount
        if gone.rowcount < BATCH:
            return forgotten
