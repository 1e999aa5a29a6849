"""Receipts in the order of their chain, read. The journal's writer writes them with the end of their debate."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select

from aragora.debate.records import OF_DEBATE, ChainHead, ReceiptRecord, receipt_of
from aragora.debate.store.tables import receipt_chain, receipts
from aragora.errors import InvalidInput, NotFound
from aragora.storage.cursors import Page, Place, cursor_of, place_of
from aragora.storage.database import Database

_WHAT: Final = "reading receipts"


class ReceiptStore:
    """Reads from the database of context `debates`. Every method raises Unavailable where that fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, receipt_id: str) -> ReceiptRecord:
        """Raises NotFound."""
        async with self._database.reading(_WHAT) as connection:
            row = (await connection.execute(select(receipts).where(receipts.c.receipt_id == receipt_id))).one_or_none()
        if row is None:
            raise NotFound(f"there is no receipt {receipt_id}")
        return receipt_of(row)

    async def of_kind(self, kind: str) -> list[tuple[str, str]]:
        """The ids of all documents of another kind than a debate's receipt, in chain order: (receipt_id, what stands in
        place of the debate's id)."""
        query = select(receipts.c.receipt_id, receipts.c.debate_id).where(
            receipts.c.kind == kind, receipts.c.kind != OF_DEBATE
        )
        rows = await self._database.rows(query.order_by(receipts.c.position), _WHAT)
        return [(row.receipt_id, row.debate_id) for row in rows]

    async def page(self, *, limit: int = 100, cursor: str | None = None) -> Page[ReceiptRecord]:
        """In chain order, first link first. Raises InvalidInput on a foreign cursor or a limit below 1."""
        if limit < 1:
            raise InvalidInput(f"limit is {limit}: ask for at least 1")
        after = 0 if cursor is None else int(place_of(cursor).at)
        query = select(receipts).where(receipts.c.position > after).order_by(receipts.c.position).limit(limit + 1)
        async with self._database.reading(_WHAT) as connection:
            found = [receipt_of(row) for row in (await connection.execute(query)).all()]
        items = tuple(found[:limit])
        more = len(found) > limit
        return Page(items, cursor_of(Place(items[-1].position, items[-1].receipt_id)) if more else None)

    async def head(self) -> ChainHead:
        """The last link of the chain; it stays what it is when old receipts are removed."""
        async with self._database.reading(_WHAT) as connection:
            row = (await connection.execute(select(receipt_chain.c.position, receipt_chain.c.hash))).one()
        return ChainHead(row.position, row.hash)
