"""The outbox's table: rows stay until they are done (`JournalWriter.done`) and come in order.

What they are for is in `aragora.storage.outbox`.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import func, select

from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRow
from aragora.storage.tables import outbox


class OutboxStore:
    """Kept in the context `debates`. Every method raises Unavailable where the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pending(self, topics: Collection[str], limit: int = 100) -> list[OutboxRow]:
        """Up to `limit` rows of these topics, oldest first."""
        query = select(outbox).where(outbox.c.topic.in_(topics))
        query = query.order_by(outbox.c.created_at, outbox.c.outbox_id).limit(limit)
        return [OutboxRow(*row) for row in await self._database.rows(query, "reading the outbox")]

    async def count(self, topic: str) -> int:
        """How many rows of a topic wait."""
        query = select(func.count()).select_from(outbox).where(outbox.c.topic == topic)
        return int((await self._database.rows(query, "counting outbox rows"))[0][0])

    async def present(self, outbox_ids: Collection[str]) -> set[str]:
        """Which of these rows, at most some hundreds, are not done yet."""
        query = select(outbox.c.outbox_id).where(outbox.c.outbox_id.in_(outbox_ids))
        return {row[0] for row in await self._database.rows(query, "reading the outbox")}
