"""The outbox's table: rows stay until they are done (`aragora.storage.outbox.Settling`) and come in order. The contexts
`debates` and `workflows` have one each.

What they are for is in `aragora.storage.outbox`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy import Table, func, select

from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRow
from aragora.storage.tables import outbox, workflow_outbox

_TABLES: Final[dict[Context, Table]] = {Context.DEBATES: outbox, Context.WORKFLOWS: workflow_outbox}


class OutboxStore:
    """The outbox of the context `debates` or `workflows`. Every method raises Unavailable where the database is
    away."""

    def __init__(self, database: Database) -> None:
        """Raises KeyError for a context without an outbox."""
        self._database = database
        self._table = _TABLES[database.context]

    async def pending(self, topics: Collection[str], limit: int = 100) -> list[OutboxRow]:
        """Up to `limit` rows of these topics, oldest first."""
        of = self._table.c
        query = select(self._table).where(of.topic.in_(topics))
        query = query.order_by(of.created_at, of.outbox_id).limit(limit)
        return [OutboxRow(*row) for row in await self._database.rows(query, "reading the outbox")]

    async def count(self, topic: str) -> int:
        """How many rows of a topic wait."""
        query = select(func.count()).select_from(self._table).where(self._table.c.topic == topic)
        return int((await self._database.rows(query, "counting outbox rows"))[0][0])

    async def present(self, outbox_ids: Collection[str]) -> set[str]:
        """Which of these rows, at most some hundreds, are not done yet."""
        of = self._table.c
        query = select(of.outbox_id).where(of.outbox_id.in_(outbox_ids))
        return {row[0] for row in await self._database.rows(query, "reading the outbox")}
