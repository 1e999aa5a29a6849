"""How far adapters have come with the debates that ended before they were there (context `aragora_memory`)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy import select

from aragora.knowledge.relearning import Reached
from aragora.knowledge.store.tables import knowledge_cursors
from aragora.storage.database import Database
from aragora.storage.tables import insert_into

_UPTO: Final = "journals"
_UNTIL: Final = "journals until"
_MICROSECONDS: Final = 1_000_000  # the table keeps whole numbers


class Relearnt:
    """Every method raises Unavailable where the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reached(self, adapters: Collection[str]) -> dict[str, Reached]:
        """What is kept of these adapters; those that did not begin are missing."""
        names = [_name(what, adapter) for adapter in adapters for what in (_UPTO, _UNTIL)]
        query = select(knowledge_cursors.c.name, knowledge_cursors.c.seq).where(knowledge_cursors.c.name.in_(names))
        rows = await self._database.rows(query, "reading how far adapters are with earlier debates")
        kept = {row.name: row.seq / _MICROSECONDS for row in rows}
        return {
            adapter: Reached(kept[_name(_UPTO, adapter)], kept[_name(_UNTIL, adapter)])
            for adapter in adapters
            if _name(_UPTO, adapter) in kept and _name(_UNTIL, adapter) in kept
        }

    async def note(self, adapters: Collection[str], reached: Reached) -> None:
        """Keep how far these have come. Of a time what is below a microsecond is cut off: what began in that one is
        looked at again."""
        rows = [
            {"name": _name(what, adapter), "seq": int(at * _MICROSECONDS)}
            for adapter in adapters
            for what, at in ((_UPTO, reached.upto), (_UNTIL, reached.until))
        ]
        new = insert_into(self._database, knowledge_cursors)
        kept = new.on_conflict_do_update(index_elements=["name"], set_={"seq": new.excluded.seq})
        async with self._database.writing("writing how far adapters are with earlier debates") as connection:
            await connection.execute(kept, rows)


def _name(what: str, adapter: str) -> str:
    return f"{what}: {adapter}"
