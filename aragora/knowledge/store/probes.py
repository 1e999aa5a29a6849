"""Using the store of the mound, to see that it works: a row is written and read, a text is found, the ledger tells what
the items say."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from sqlalchemy import func, select

from aragora.clock import Clock
from aragora.knowledge.health import FAILED, OFF, Component, Reading, State
from aragora.knowledge.ledger import fold
from aragora.knowledge.model import KEPT, Item, Status
from aragora.knowledge.search.tokens import query_tokens
from aragora.knowledge.store.adapters import AdapterBook
from aragora.knowledge.store.lexical import matching, scopes_of
from aragora.knowledge.store.rows import entries_of, item_of
from aragora.knowledge.store.tables import (
    WAITING,
    knowledge_applied,
    knowledge_items,
    knowledge_ledger,
    knowledge_workspaces,
)
from aragora.storage.database import Database
from aragora.storage.tables import insert_into

PROBE: Final = "probe:health"  # no outbox row has such an id
TOKENS: Final = 8  # of a text that is looked for
LATE_S: Final = 300.0  # so old may an ended debate be that nobody has learnt from

_ITEMS: Final = knowledge_items


class StoreProbes:
    """Over the databases of contexts `aragora_memory` and `debates`. Every method raises Unavailable where they are
    away."""

    def __init__(self, memory: Database, book: AdapterBook, clock: Clock, adapters: Collection[str]) -> None:
        """`adapters` are those that are on."""
        self._memory = memory
        self._book = book
        self._clock = clock
        self._adapters = adapters

    async def store(self) -> Mapping[Component, Reading]:
        """Writes a row and reads it back."""
        now = self._clock.now()
        new = insert_into(self._memory, knowledge_applied).values(outbox_id=PROBE, applied_at=now)
        put = new.on_conflict_do_update(index_elements=["outbox_id"], set_={"applied_at": now})
        async with self._memory.writing("probing the mound") as connection:
            await connection.execute(put)
        mine = select(knowledge_applied.c.applied_at).where(knowledge_applied.c.outbox_id == PROBE)
        rows = await self._memory.rows(mine, "probing the mound")
        if not rows or rows[0].applied_at < now:
            return {Component.STORE: FAILED}
        newest = await self._newest()
        return {Component.STORE: Reading(State.WORKS, None if newest is None else newest[1].changed_at)}

    async def lexical_index(self) -> Mapping[Component, Reading]:
        """Looks for the words of the newest item, and must find it."""
        newest = await self._newest()
        if newest is None:
            return {Component.LEXICAL_INDEX: Reading(State.WORKS)}
        number, item = newest
        tokens = query_tokens(item.statement.content)[:TOKENS]
        if item.status not in KEPT or not tokens:
            return {Component.LEXICAL_INDEX: Reading(State.WORKS, item.changed_at)}
        scopes = scopes_of(item.org_id, item.workspace, item.visibility)
        query = matching(self._memory, scopes, tokens, 1).where(_ITEMS.c.item_no == number)
        found = bool(await self._memory.rows(query, "probing full-text search"))
        return {Component.LEXICAL_INDEX: Reading(State.WORKS if found else State.FAILS, item.changed_at)}

    async def ledger(self) -> Mapping[Component, Reading]:
        """The newest item must be what its ledger says, and the ledger must end where its workspace says."""
        newest = await self._newest()
        if newest is None:
            return {Component.LEDGER: Reading(State.WORKS)}
        item = newest[1]
        ledger, workspaces = knowledge_ledger.c, knowledge_workspaces.c
        of_item = select(knowledge_ledger).where(ledger.item_id == item.item_id).order_by(ledger.seq)
        entries = entries_of(await self._memory.rows(of_item, "probing the ledger"))
        last = select(func.max(ledger.seq)).where(ledger.org_id == item.org_id, ledger.workspace == item.workspace)
        named = select(workspaces.seq, last.scalar_subquery().label("last")).where(
            workspaces.org_id == item.org_id, workspaces.workspace == item.workspace
        )
        head = (await self._memory.rows(named, "probing the ledger"))[0]
        told = item.status is Status.FORGOTTEN or fold(entries).get(item.item_id) == item
        state = State.WORKS if told and head.seq == head.last else State.FAILS
        return {Component.LEDGER: Reading(state, item.changed_at, {"entries": float(head.last or 0)})}

    async def contradictions(self) -> Mapping[Component, Reading]:
        """How many items are disputed, and wait for somebody to look."""
        of = _ITEMS.c
        query = select(of.status, func.count(), func.max(of.changed_at)).where(WAITING).group_by(of.status)
        found = {row[0]: (float(row[1]), row[2]) for row in await self._memory.rows(query, "probing disputes")}
        disputed, used_at = found.get(Status.DISPUTED, (0.0, None))
        quarantined, _ = found.get(Status.QUARANTINED, (0.0, None))
        figures = {"disputed": disputed, "quarantined": quarantined}
        return {Component.CONTRADICTIONS: Reading(State.WORKS, used_at, figures)}

    async def adapters(self) -> Mapping[Component, Reading]:
        """How many adapters there are, how many debates wait for one of them and how long the oldest has, and when
        something was learnt last."""
        if not self._adapters:
            return {Component.ADAPTERS: OFF}
        standings = await self._book.standings(self._adapters)
        oldest_s = max(one.lag_s for one in standings)
        applied = knowledge_applied.c
        noted = select(applied.applied_at).where(applied.outbox_id != PROBE, applied.applied_at.is_not(None))
        last = noted.order_by(applied.applied_at.desc()).limit(1)
        rows = await self._memory.rows(last, "probing the adapters")
        used_at = rows[0].applied_at if rows else None
        figures = {
            "adapters": float(len(standings)),
            "waiting": float(max(one.backlog for one in standings)),
            "oldest_waiting_s": round(oldest_s, 1),
        }
        return {Component.ADAPTERS: Reading(State.WORKS if oldest_s <= LATE_S else State.FAILS, used_at, figures)}

    async def _newest(self) -> tuple[int, Item] | None:
        query: Any = select(_ITEMS.c.item_no, _ITEMS.c.item).order_by(_ITEMS.c.item_no.desc()).limit(1)
        rows = await self._memory.rows(query, "probing the mound")
        return (rows[0].item_no, item_of(rows[0].item)) if rows else None
