"""Writing to the Knowledge Mound: one transaction for the units of one workspace.

Whoever writes holds the workspace's row, so additions of equal statements at once are one item, and the ledger has no
gaps. What follows from the units is planned by `aragora.knowledge.planning`; this writes it down: items, ledger,
topics, sources, links, and what full-text search reads. Vectors come later (`aragora.knowledge.store.vectors`): no
write waits for an embedder.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import inf
from typing import Any, Final

from sqlalchemy import bindparam, delete, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.clock import Clock, SystemClock
from aragora.knowledge.ledger import Forgotten, Withdrawn, marks_of, redacted
from aragora.knowledge.model import KEPT, Home, Item, ItemKind, Statement
from aragora.knowledge.observations import Observation
from aragora.knowledge.planning import Addition, Effect, Plan, Planned, Unit, sources_said, statement_of, unheard
from aragora.knowledge.sameness import item_id_of, next_id, sameness
from aragora.knowledge.search.tokens import document_tokens
from aragora.knowledge.store.generations import raise_generations
from aragora.knowledge.store.lexical import Tokens, drop_tokens, of_summaries, put_tokens, scopes_of
from aragora.knowledge.store.observations import keep
from aragora.knowledge.store.parts import parts
from aragora.knowledge.store.requests import Request, first_of, remember
from aragora.knowledge.store.rows import columns_of, entries_of, item_of, links_of, row_of, sources_of
from aragora.knowledge.store.tables import (
    knowledge_applied,
    knowledge_barred,
    knowledge_items,
    knowledge_ledger,
    knowledge_links,
    knowledge_sources,
    knowledge_topics,
    knowledge_vectors,
    knowledge_workspaces,
)
from aragora.knowledge.store.told import told_of
from aragora.storage.applied import applied_of, newly_applied
from aragora.storage.database import Database
from aragora.storage.storable import check_values
from aragora.storage.tables import insert_into

UNITS_MAX: Final = 500
"""Of one transaction: whoever else writes to the workspace waits for it."""


@dataclass(frozen=True, slots=True)
class Notes:
    """What one adapter notes of outbox rows, by `outbox_id`."""

    adapter: str
    of: Mapping[str, Sequence[Observation]]


class KnowledgeWriter:
    """Over the database of context `aragora_memory`. Every method raises Unavailable where that is away, and then
    nothing was written."""

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock or SystemClock()

    async def write(self, home: Home, units: Sequence[Unit]) -> list[Planned]:
        """Write up to `UNITS_MAX` units; returns what each did, in their order.

        Raises NotFound, Conflict where one of them is a change that cannot be made: then nothing is written.
        InvalidInput for a text or a number that no database holds.
        """
        if not units:
            return []
        async with self._database.writing("writing knowledge") as connection:
            return await self.written(connection, home, units)

    async def write_requested(self, home: Home, units: Sequence[Unit], request: Request) -> list[Planned]:
        """As `write`, of what somebody asks for under a key of theirs. The same request again changes nothing, and gets
        the items that its first time named, as they are now. Raises Conflict where the key was used for another."""
        async with self._database.writing("writing knowledge") as connection:
            await self.hold(connection, home)
            first = await first_of(connection, home, request)
            if first is not None:
                items = await _items(connection, home, first)
                now = self._clock.now()  # what was not learnt was named, and never written
                return [Planned(Effect.NOTHING, items.get(one) or unheard(home, one, now)) for one in first]
            planned = await self.written(connection, home, units) if units else []
            named = [one.item.item_id for one in planned]
            await remember(connection, home, request, named, self._clock.now())
            return planned

    async def write_once(
        self, home: Home, batches: Mapping[str, Sequence[Unit]], notes: Notes | None = None
    ) -> dict[str, list[Planned]]:
        """As `write`, of what follows from outbox rows, by `outbox_id`: returns what the units of each did. A row that
        was applied before is left out. `notes` are what an adapter notes of the same rows."""
        if not batches:
            return {}
        async with self._database.writing("writing knowledge") as connection:
            new = await newly_applied(self._database, connection, knowledge_applied, batches, self._clock)
            units = [unit for outbox_id in new for unit in batches[outbox_id]]
            planned = iter(await self.written(connection, home, units) if units else [])
            if notes is not None:
                noted = [one for outbox_id in new for one in notes.of.get(outbox_id, ())]
                await self._note(connection, home, notes.adapter, noted)
            return {outbox_id: list(islice(planned, len(batches[outbox_id]))) for outbox_id in new}

    async def pass_over(self, outbox_ids: Sequence[str]) -> None:
        """Remember outbox rows from which nothing follows, so that they wait for nobody."""
        async with self._database.writing("passing over outbox rows") as connection:
            await newly_applied(self._database, connection, knowledge_applied, dict.fromkeys(outbox_ids), self._clock)

    async def unapplied(self, outbox_ids: Collection[str]) -> set[str]:
        """Those of these outbox rows that were not applied yet."""
        return set(outbox_ids) - await applied_of(self._database, knowledge_applied, outbox_ids)

    async def written(self, connection: AsyncConnection, home: Home, units: Sequence[Unit]) -> list[Planned]:
        """As `write`, within a transaction of the caller's."""
        seq = await self.hold(connection, home)
        known = await self._known(connection, home, units)
        barred = await self._barred(connection, home, units)
        plan = Plan(home, seq, self._clock.now(), known.values(), barred)
        planned = plan.take(units)
        if plan.entries:
            await self._keep(connection, plan)
            touched = plan.touched
            before = [item for item_id, item in known.items() if item_id in touched]
            places = {
                scope
                for item in (*before, *touched.values())
                for scope in scopes_of(item.org_id, item.workspace, item.visibility)
            }
            await raise_generations(self._database, connection, places | told_of(units, planned))
        return planned

    async def hold(self, connection: AsyncConnection, home: Home) -> int:
        """The newest seq of the workspace, whose row is held until the transaction ends."""
        table = knowledge_workspaces
        new = insert_into(self._database, table).values(
            org_id=home.org_id, workspace=home.workspace, seq=0, offers=True
        )
        held = new.on_conflict_do_update(index_elements=["org_id", "workspace"], set_={"seq": table.c.seq}).returning(
            table.c.seq
        )
        return int((await connection.execute(held)).scalar_one())

    async def _note(
        self, connection: AsyncConnection, home: Home, adapter: str, observations: Sequence[Observation]
    ) -> None:
        """Keep what an adapter notes, but for what is not learnt from any more."""
        if not observations:
            return
        await self.hold(connection, home)  # a request to forget holds it, too, and looks afterwards
        barred = await self._until(connection, home, (mark for one in observations for mark in sorted(one.marks)))
        heard = [one for one in observations if all(one.at > barred.get(mark, -inf) for mark in one.marks)]
        await keep(self._database, connection, home, adapter, heard)

    async def _known(self, connection: AsyncConnection, home: Home, units: Sequence[Unit]) -> dict[str, Item]:
        """The items that the units name, that say the same as one of them, or that are about the same thing."""
        table = knowledge_items
        here = (table.c.org_id == home.org_id, table.c.workspace == home.workspace)
        said = [statement for statement in map(statement_of, units) if statement is not None]
        named = [unit.item_id for unit in units if not isinstance(unit, Addition)]
        named += [item_id for statement in said for item_id in _ids(home, statement)]
        about = dict.fromkeys((one.subject, one.relation) for one in said if one.subject)
        found: dict[str, Item] = {}
        for conditions in (
            [table.c.sameness.in_(part) for part in parts(dict.fromkeys(map(sameness, said)))],
            [table.c.item_id.in_(part) for part in parts(dict.fromkeys(named))],
            [tuple_(table.c.subject, table.c.relation).in_(part) for part in parts(about)],
        ):
            for condition in conditions:
                rows = await connection.execute(select(table.c.item).where(*here, condition))
                found.update((item.item_id, item) for item in map(item_of, rows.scalars()))
        return found

    async def _barred(self, connection: AsyncConnection, home: Home, units: Sequence[Unit]) -> dict[str, float]:
        """Of the sources of these units, the marks that are not learnt from, and up to when."""
        said = (source for unit in units for source in sources_said(unit))
        return await self._until(connection, home, (mark for source in said for mark in sorted(marks_of(source))))

    async def _until(self, connection: AsyncConnection, home: Home, marks: Iterable[str]) -> dict[str, float]:
        """Those of these marks that are not learnt from, and up to when."""
        table = knowledge_barred
        here = (table.c.org_id == home.org_id, table.c.workspace == home.workspace)
        found: dict[str, float] = {}
        for part in parts(dict.fromkeys(marks)):
            rows = await connection.execute(select(table.c.mark, table.c.until).where(*here, table.c.mark.in_(part)))
            found.update((row.mark, row.until) for row in rows)
        return found

    async def _keep(self, connection: AsyncConnection, plan: Plan) -> None:
        for item in plan.touched.values():
            check_values("item", item.item_id, (item.statement.content, item.statement.subject, item.reason))
        new = [item for item in plan.touched.values() if item.item_id in plan.new]
        old = [item for item in plan.touched.values() if item.item_id not in plan.new]
        numbers = await self._insert(connection, new) | await self._update(connection, old)
        await connection.execute(insert(knowledge_ledger), [row_of(entry) for entry in plan.entries])
        await self._beside(connection, plan.touched, numbers, {item.item_id for item in old})
        gone = [entry.item_id for entry in plan.entries if isinstance(entry.change, Forgotten)]
        if gone:
            await _blank(connection, gone)
        withdrawn: dict[str, set[str]] = {}
        for entry in plan.entries:
            if isinstance(entry.change, Withdrawn):
                withdrawn.setdefault(entry.item_id, set()).add(entry.change.mark)
        if withdrawn:
            await _redact(connection, withdrawn)
        home, table = plan.home, knowledge_workspaces
        await connection.execute(
            update(table).where(table.c.org_id == home.org_id, table.c.workspace == home.workspace).values(seq=plan.seq)
        )

    async def _insert(self, connection: AsyncConnection, items: Sequence[Item]) -> dict[str, int]:
        if not items:
            return {}
        table = knowledge_items
        rows = await connection.execute(
            insert(table).returning(table.c.item_id, table.c.item_no), [columns_of(item) for item in items]
        )
        return {row.item_id: row.item_no for row in rows}

    async def _update(self, connection: AsyncConnection, items: Sequence[Item]) -> dict[str, int]:
        if not items:
            return {}
        table = knowledge_items
        rows = [{**columns_of(item), "this": item.item_id} for item in items]
        columns: dict[str, Any] = {name: bindparam(name) for name in rows[0] if name != "this"}
        await connection.execute(update(table).where(table.c.item_id == bindparam("this")).values(columns), rows)
        numbers: dict[str, int] = {}
        for part in parts([item.item_id for item in items]):
            found = await connection.execute(select(table.c.item_id, table.c.item_no).where(table.c.item_id.in_(part)))
            numbers.update((row.item_id, row.item_no) for row in found)
        return numbers

    async def _beside(
        self, connection: AsyncConnection, items: Mapping[str, Item], numbers: Mapping[str, int], old: Collection[str]
    ) -> None:
        """Topics, sources, links and tokens of these items as they now are; those of `old` ones first go."""
        if old:
            places = [{"gone": numbers[item_id]} for item_id in old]
            for table in (knowledge_topics, knowledge_sources):
                await connection.execute(delete(table).where(table.c.item_no == bindparam("gone")), places)
            link = knowledge_links
            await connection.execute(
                delete(link).where(link.c.item_id == bindparam("gone")), [{"gone": item_id} for item_id in old]
            )
        topics = [
            {"item_no": numbers[item.item_id], "topic": topic}
            for item in items.values()
            for topic in dict.fromkeys(item.statement.topics)
        ]
        sources = [{"item_no": numbers[item.item_id], **row} for item in items.values() for row in sources_of(item)]
        links = [row for item in items.values() for row in links_of(item)]
        for table, rows in ((knowledge_topics, topics), (knowledge_sources, sources), (knowledge_links, links)):
            if rows:
                await connection.execute(insert(table), rows)
        await self._index(connection, items, numbers, old)

    async def _index(
        self, connection: AsyncConnection, items: Mapping[str, Item], numbers: Mapping[str, int], old: Collection[str]
    ) -> None:
        """What searches read: tokens, and no vector of another wording or of an item that is not searched."""
        kept = [
            Tokens(
                numbers[item.item_id],
                _scopes(item),
                document_tokens(f"{item.statement.content}\n{item.statement.subject}"),
            )
            for item in items.values()
            if item.status in KEPT
        ]
        await drop_tokens(self._database, connection, [numbers[item_id] for item_id in old])
        await put_tokens(self._database, connection, kept)
        hidden = [numbers[item_id] for item_id in old if items[item_id].status not in KEPT]
        if old:
            stale = [{"gone": numbers[item_id], "now": items[item_id].version} for item_id in old]
            vector = knowledge_vectors
            await connection.execute(
                delete(vector).where(vector.c.item_no == bindparam("gone"), vector.c.version != bindparam("now")),
                stale,
            )
        if hidden:
            await connection.execute(delete(knowledge_vectors).where(knowledge_vectors.c.item_no.in_(hidden)))


async def _items(connection: AsyncConnection, home: Home, item_ids: Sequence[str]) -> dict[str, Item]:
    table = knowledge_items
    here = (table.c.org_id == home.org_id, table.c.workspace == home.workspace)
    found: dict[str, Item] = {}
    for part in parts(dict.fromkeys(item_ids)):
        rows = await connection.execute(select(table.c.item).where(*here, table.c.item_id.in_(part)))
        found.update((item.item_id, item) for item in map(item_of, rows.scalars()))
    return found


async def _blank(connection: AsyncConnection, item_ids: Sequence[str]) -> None:
    """Take the content of forgotten items out of the ledger: it still tells that there was something."""
    table = knowledge_ledger
    for part in parts(item_ids):
        await connection.execute(
            update(table).where(table.c.item_id.in_(part), table.c.change != "forgotten").values(body="")
        )


async def _redact(connection: AsyncConnection, withdrawn: Mapping[str, set[str]]) -> None:
    """Take what is said of withdrawn sources out of the ledgers of these items."""
    table = knowledge_ledger
    for part in parts(withdrawn):
        rows = await connection.execute(select(table).where(table.c.item_id.in_(part), table.c.body != ""))
        changed = []
        for row, entry in zip(found := rows.all(), entries_of(found), strict=True):
            body = row_of(replace(entry, change=redacted(entry.change, frozenset(withdrawn[entry.item_id]))))["body"]
            if body != row.body:
                changed.append({"of": row.org_id, "in": row.workspace, "no": row.seq, "now": body})
        if changed:
            this = (
                table.c.org_id == bindparam("of"),
                table.c.workspace == bindparam("in"),
                table.c.seq == bindparam("no"),
            )
            await connection.execute(update(table).where(*this).values(body=bindparam("now")), changed)


def _scopes(item: Item) -> tuple[str, ...]:
    scopes = scopes_of(item.org_id, item.workspace, item.visibility)
    return (*scopes, *of_summaries(scopes)) if item.statement.kind is ItemKind.SUMMARY else scopes


def _ids(home: Home, statement: Statement) -> tuple[str, ...]:
    """The ids that a statement's item may have: the second one where the first was reworded."""
    first = item_id_of(home, statement)
    return first, next_id(first)
