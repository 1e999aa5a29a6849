"""In which debates items were offered: the journals of those keep the text as it was offered."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy import select

from aragora.debate.store.tables import debates, journal
from aragora.knowledge.sameness import ITEM_ID
from aragora.storage.database import Database

DEBATES_MAX: Final = 10_000  # of the organisation, the newest
_AT_A_TIME: Final = 500
_OPENING: Final = 20  # an offer is among the first events of a debate


class OfferedIn:
    """Over the database of context `debates`. Raises Unavailable where that is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def debates(self, org_id: str, item_ids: Collection[str]) -> list[str]:
        """Of the newest `DEBATES_MAX` debates of the organisation those that were offered one of these items."""
        wanted = set(item_ids)
        query = select(debates.c.debate_id).where(debates.c.org_id == org_id)
        newest = query.order_by(debates.c.created_at.desc(), debates.c.debate_id.desc()).limit(DEBATES_MAX)
        ids = [row.debate_id for row in await self._database.rows(newest, "reading debates")] if wanted else []
        found: list[str] = []
        for start in range(0, len(ids), _AT_A_TIME):
            offers = select(journal.c.debate_id, journal.c.payload).where(
                journal.c.debate_id.in_(ids[start : start + _AT_A_TIME]),
                journal.c.seq <= _OPENING,
                journal.c.type == "knowledge_offered",
            )
            rows = await self._database.rows(offers, "reading journals")
            found += [row.debate_id for row in rows if not wanted.isdisjoint(ITEM_ID.findall(row.payload))]
        return list(dict.fromkeys(found))
