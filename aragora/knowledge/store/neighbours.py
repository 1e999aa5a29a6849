"""The links of items, both ways, within a caller's scope."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy import select

from aragora.knowledge.model import Item, Status
from aragora.knowledge.store.reading import within
from aragora.knowledge.store.rows import item_of
from aragora.knowledge.store.tables import knowledge_items, knowledge_links
from aragora.scope import Scope
from aragora.storage.database import Database

_ITEMS: Final = knowledge_items
_LINKS: Final = knowledge_links


class Neighbours:
    """Over the database of context `aragora_memory`. Raises Unavailable where that is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def linking(self, scope: Scope, item_ids: Collection[str], limit: int) -> list[Item]:
        """Up to `limit` items that hold a link to one of up to some hundred items, of any status but forgotten, the
        newest first."""
        numbers = (
            select(_ITEMS.c.item_no)
            .join_from(_LINKS, _ITEMS, _LINKS.c.item_id == _ITEMS.c.item_id)
            .where(_LINKS.c.to_id.in_(list(item_ids)), within(scope), _ITEMS.c.status != Status.FORGOTTEN)
            .distinct()
            .order_by(_ITEMS.c.item_no.desc())
            .limit(limit)
        )
        rows = await self._database.rows(numbers, "reading links")
        items = select(_ITEMS.c.item).where(_ITEMS.c.item_no.in_([row.item_no for row in rows]))
        found = await self._database.rows(items.order_by(_ITEMS.c.item_no.desc()), "reading items") if rows else []
        return [item_of(row.item) for row in found]
