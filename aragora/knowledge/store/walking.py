"""All items of some workspaces, oldest first, in bounded memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from sqlalchemy import select

from aragora.knowledge.model import KEPT, Item
from aragora.knowledge.store.rows import item_of
from aragora.knowledge.store.tables import knowledge_items
from aragora.scope import Scope
from aragora.storage.database import Database

PAGE: Final = 500

_ITEMS: Final = knowledge_items


async def walked(database: Database, scope: Scope) -> AsyncIterator[Item]:
    """The items of the scope's own workspaces, live, disputed and superseded ones, whenever they hold. Raises
    Unavailable."""
    after = 0
    query = select(_ITEMS.c.item_no, _ITEMS.c.item).where(
        _ITEMS.c.org_id == scope.org_id, _ITEMS.c.status.in_(sorted(KEPT))
    )
    if scope.workspaces is not None:
        query = query.where(_ITEMS.c.workspace.in_(sorted(scope.workspaces)))
    query = query.order_by(_ITEMS.c.item_no).limit(PAGE)
    while rows := await database.rows(query.where(_ITEMS.c.item_no > after), "exporting items"):
        for row in rows:
            yield item_of(row.item)
        after = rows[-1].item_no
