"""What outcomes do to items, and up to which outcome that was done. The second follows the first: after a crash in
between the same outcomes come again, and change nothing."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select

from aragora.knowledge.bearing import judged
from aragora.knowledge.model import Home, debate_root
from aragora.knowledge.outcomes import Outcome
from aragora.knowledge.planning import Effect
from aragora.knowledge.store.rows import item_of
from aragora.knowledge.store.tables import knowledge_cursors, knowledge_items, knowledge_sources
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.storage.database import Database
from aragora.storage.tables import insert_into

_OUTCOMES: Final = "outcomes"  # name of the cursor


class HeededOutcomes:
    """Over the database of context `aragora_memory`. Every method raises Unavailable where that is away, and then
    nothing was written."""

    def __init__(self, database: Database, writer: KnowledgeWriter) -> None:
        self._database = database
        self._writer = writer

    async def known(self) -> int:
        """The seq of the last outcome that was followed; 0 before the first."""
        query = select(knowledge_cursors.c.seq).where(knowledge_cursors.c.name == _OUTCOMES)
        rows = await self._database.rows(query, "reading how far outcomes are followed")
        return int(rows[0].seq) if rows else 0

    async def heed(self, outcome: Outcome) -> int:
        """Write what the newest outcome of a debate says of its items; returns how many it changed."""
        home = Home(outcome.org_id, outcome.workspace)
        source, items = knowledge_sources.c, knowledge_items.c
        numbers = select(source.item_no).where(source.root == debate_root(outcome.debate_id))
        query = select(items.item).where(
            items.org_id == home.org_id, items.workspace == home.workspace, items.item_no.in_(numbers)
        )
        # Without an item nothing is held: a workspace that knows nothing stays one. Who learns the debate now looks for
        # its outcome afterwards.
        if not await self._database.rows(query, "reading items"):
            return 0
        async with self._database.writing("writing what an outcome says of knowledge") as connection:
            await self._writer.hold(connection, home)
            held = [item_of(row.item) for row in await connection.execute(query)]
            planned = await self._writer.written(connection, home, judged(outcome, held))
            return sum(one.effect is Effect.CHANGED for one in planned)

    async def follow(self, upto: int) -> None:
        """All outcomes up to this seq were heeded."""
        table = knowledge_cursors
        new = insert_into(self._database, table).values(name=_OUTCOMES, seq=upto)
        later = new.on_conflict_do_update(index_elements=["name"], set_={"seq": upto}, where=table.c.seq < upto)
        async with self._database.writing("writing how far outcomes are followed") as connection:
            await connection.execute(later)
