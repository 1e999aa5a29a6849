"""Which of many ids are in a table and in a certain state: what is asked of every open connection at once."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy import Column, ColumnElement, select

from aragora.storage.database import Database

BATCH: Final = 1_000
"""Ids in one query: databases bound the parameters of a statement."""


async def found_among(
    database: Database, column: Column[str], ids: Collection[str], state: ColumnElement[bool]
) -> frozenset[str]:
    """Those of `ids` whose row is in `state`, with one query for each `BATCH` of them. Raises Unavailable."""
    wanted = list(ids)
    found: set[str] = set()
    for start in range(0, len(wanted), BATCH):
        query = select(column).where(column.in_(wanted[start : start + BATCH]), state)
        found.update(row[0] for row in await database.rows(query))
    return frozenset(found)
