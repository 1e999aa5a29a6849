"""What must hold of the Knowledge Mound after any fault, read from the stores alone.

- Every debate that has ended was learnt from: nothing of topic `knowledge` is left in the outbox.
- The items are those that the journals give when they are learnt from anew, each with the same debates behind it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import func, select
from worlds.migrated import migrated
from worlds.waiting import eventually

from aragora.clock import SystemClock
from aragora.config.settings import Settings
from aragora.debate.store import tables as debate_tables
from aragora.debate.store.debates import DebateStore
from aragora.knowledge.heeding import heeding_over
from aragora.knowledge.learning import ADAPTERS, Learning
from aragora.knowledge.model import KEPT, Item
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.rows import item_of
from aragora.knowledge.store.tables import knowledge_items
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.receipts.closing import KNOWLEDGE
from aragora.storage import tables
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRow

Known = Mapping[str, tuple[str, frozenset[str | None]]]
"""Of each item its text, and the debates that it comes from."""


async def all_learnt(settings: Settings, deadline_s: float) -> None:
    """Return once adapters have worked off the outbox; fails after `deadline_s` seconds."""
    database = Database.open(settings, Context.DEBATES)
    left = select(func.count()).select_from(tables.outbox).where(tables.outbox.c.topic == KNOWLEDGE)

    async def over() -> bool:
        return not (await database.rows(left))[0][0]

    try:
        await eventually(over, deadline_s=deadline_s, pause_s=0.1)
    except AssertionError as missed:
        raise AssertionError(f"debates were not learnt from within {deadline_s:g} s") from missed
    finally:
        await database.aclose()


async def wrongly_learnt(settings: Settings) -> list[str]:
    """In what the items differ from those that the journals give when they are learnt from anew."""
    with tempfile.TemporaryDirectory() as directory:
        anew = await _learnt_anew(settings, Path(directory))
    there = await _known(settings)
    return [
        f"item {item_id}: {there.get(item_id)} is kept, {anew.get(item_id)} is what journals give"
        for item_id in sorted({*there, *anew})
        if there.get(item_id) != anew.get(item_id)
    ]


async def _known(settings: Settings) -> Known:
    database = Database.open(settings, Context.MEMORY)
    try:
        rows = await database.rows(select(knowledge_items.c.item).where(knowledge_items.c.status.in_(sorted(KEPT))))
        return {item.item_id: _told(item) for item in (item_of(row.item) for row in rows)}
    finally:
        await database.aclose()


def _told(item: Item) -> tuple[str, frozenset[str | None]]:
    return item.statement.content, frozenset(source.debate_id for source in item.sources)


async def _learnt_anew(settings: Settings, directory: Path) -> Known:
    fresh = migrated(Settings(data_dir=directory / "data"))
    debates, memory = Database.open(settings, Context.DEBATES), Database.open(fresh, Context.MEMORY)
    try:
        journals, reader, writer = DebateStore(debates), KnowledgeReader(memory), KnowledgeWriter(memory, SystemClock())
        heeding = heeding_over(memory, writer)
        adapters = [Learning(name, journals, reader, writer, heeding) for name in ADAPTERS]
        ended = await debates.rows(select(debate_tables.debates).order_by(debate_tables.debates.c.debate_id))
        for debate in ended:
            row = OutboxRow(f"{debate.debate_id}:{KNOWLEDGE}", KNOWLEDGE, debate.debate_id, "{}", 0.0)
            for adapter in adapters:
                await adapter.learn([row])
    finally:
        await debates.aclose()
        await memory.aclose()
    return await _known(fresh)
