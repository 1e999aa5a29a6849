"""How far the adapters have come: read from the outbox, from what they have applied, and from what they noted of their
last round."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import case, select

from aragora.clock import Clock
from aragora.encoding import decode_as, encode_text
from aragora.knowledge.store.tables import knowledge_adapters, knowledge_applied
from aragora.knowledge.syncs import READ_MAX, Record, Round, Standing, Waiting, applied_id, standings
from aragora.knowledge.topics import topic_of
from aragora.storage.applied import applied_of
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRow
from aragora.storage.outbox_store import OutboxStore
from aragora.storage.tables import insert_into

_TABLE: Final = knowledge_adapters


class AdapterBook:
    """Over the databases of contexts `aragora_memory` and `debates`. Every method raises Unavailable where they are
    away."""

    def __init__(self, memory: Database, outbox: OutboxStore, clock: Clock) -> None:
        self._memory = memory
        self._outbox = outbox
        self._clock = clock

    async def note(self, adapter: str, done: Round, cursor_at: float | None) -> None:
        """Keep what an adapter did last; its cursor never goes back."""
        new = insert_into(self._memory, _TABLE).values(
            adapter=adapter, cursor_at=cursor_at, synced_at=done.at, result=encode_text(done)
        )
        further = new.excluded.cursor_at
        behind = _TABLE.c.cursor_at.is_(None) | (_TABLE.c.cursor_at < further)
        kept = new.on_conflict_do_update(
            index_elements=["adapter"],
            set_={
                "cursor_at": case((further.is_not(None) & behind, further), else_=_TABLE.c.cursor_at),
                "synced_at": new.excluded.synced_at,
                "result": new.excluded.result,
            },
        )
        async with self._memory.writing("noting a round of an adapter") as connection:
            await connection.execute(kept)

    async def left(self, adapter: str) -> list[OutboxRow]:
        """The rows that wait for an adapter, the oldest first; of the oldest `READ_MAX` of all."""
        rows = await self._outbox.pending((topic_of(adapter),), READ_MAX)
        applied = await self._applied((adapter,), rows)
        return [row for row in rows if applied_id(row.outbox_id, adapter) not in applied]

    async def standings(self, adapters: Collection[str]) -> list[Standing]:
        """How far each of these has come, in their order."""
        records = await self._records(adapters)
        found: dict[str, Standing] = {}
        for topic in dict.fromkeys(map(topic_of, adapters)):
            names = [adapter for adapter in adapters if topic_of(adapter) == topic]
            waiting = await self._waiting(topic, names)
            found |= {one.adapter: one for one in standings(names, waiting, records, self._clock.now())}
        return [found[adapter] for adapter in adapters]

    async def _waiting(self, topic: str, adapters: Collection[str]) -> Waiting:
        rows = await self._outbox.pending((topic,), READ_MAX)
        total = len(rows) if len(rows) < READ_MAX else await self._outbox.count(topic)
        return Waiting(rows, total, await self._applied(adapters, rows))

    async def _records(self, adapters: Collection[str]) -> dict[str, Record]:
        query = select(_TABLE.c.adapter, _TABLE.c.cursor_at, _TABLE.c.result)
        rows = await self._memory.rows(query.where(_TABLE.c.adapter.in_(adapters)))
        return {row.adapter: Record(row.cursor_at, decode_as(row.result, Round)) for row in rows}

    async def _applied(self, adapters: Collection[str], rows: Sequence[OutboxRow]) -> set[str]:
        ids = [applied_id(row.outbox_id, adapter) for adapter in adapters for row in rows]
        return await applied_of(self._memory, knowledge_applied, ids)
