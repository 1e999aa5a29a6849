"""Requests to forget, what fits them, and the removal itself.

A removal is one transaction for up to `BATCH` items of a request: it counts the rows that are there, removes them, and
adds the counts to the request. So each row is counted once, however often a removal is cut off and done again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Select, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.encoding import decode_as, encode_text
from aragora.errors import Conflict, NotFound, Unavailable
from aragora.knowledge.forgetting import By, Forgetting, Stage, barred_by, units_of
from aragora.knowledge.insights import SharedInsight
from aragora.knowledge.ledger import Added, Forgotten, Reworded
from aragora.knowledge.model import Home, Item, LinkKind, Status, debate_root, person_root
from aragora.knowledge.planning import Addition, Burial
from aragora.knowledge.sameness import folded
from aragora.knowledge.search.tokens import document_tokens, query_tokens
from aragora.knowledge.store.beside_items import count_beside, remove_beside
from aragora.knowledge.store.insights import shared_in, source_of
from aragora.knowledge.store.lexical import containing, counting, workspace_scope
from aragora.knowledge.store.parts import parts
from aragora.knowledge.store.rows import entries_of, item_of
from aragora.knowledge.store.tables import (
    knowledge_barred,
    knowledge_forgettings,
    knowledge_items,
    knowledge_ledger,
    knowledge_links,
    knowledge_sources,
    knowledge_topics,
    knowledge_vectors,
)
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.scope import Scope
from aragora.storage.cursors import Page, Place, cursor_of, place_of
from aragora.storage.database import Database
from aragora.storage.tables import insert_into

BATCH: Final = 500
_ITEMS: Final = knowledge_items
_REQUESTS: Final = knowledge_forgettings
_FALLING: Final = (LinkKind.DERIVED_FROM, LinkKind.DISSENTS_FROM)


@dataclass(frozen=True, slots=True)
class Key:
    """A caller's Idempotency-Key, and the digest of the request that it was given with."""

    key: str
    request_hash: str


class ForgettingStore:
    """Over the database of context `aragora_memory`. Every method raises Unavailable where that is away."""

    def __init__(self, database: Database, writer: KnowledgeWriter) -> None:
        self._database = database
        self._writer = writer

    @property
    def backend(self) -> str:
        """`sqlite` or `postgresql`."""
        return "sqlite" if self._database.is_sqlite else "postgresql"

    # --- What fits

    async def fitting(self, home: Home, by: By, named: Sequence[str], limit: int) -> list[Item]:
        """Up to `limit` items of a workspace that fit, forgotten ones left out. `named` are ids, or for a subject and
        for words the texts themselves. Raises InvalidInput for words without any to look for."""
        found: dict[str, Item] = {}
        for name in named:
            for query in await self._queries(home, by, name):
                rows = await self._database.rows(self._here(home).where(query).limit(limit), "reading items")
                found.update((item.item_id, item) for item in (item_of(row.item) for row in rows))
            if by is By.QUERY:
                found.update((item.item_id, item) for item in await self._unindexed(home, name))
        return list(found.values())[:limit]

    async def dependants(self, home: Home, item_ids: Collection[str]) -> list[Item]:
        """The items of the workspace that were made of one of these, or dissent from it."""
        found: dict[str, Item] = {}
        for part in parts(item_ids):
            holders = select(knowledge_links.c.item_id).where(
                knowledge_links.c.to_id.in_(part), knowledge_links.c.kind.in_(_FALLING)
            )
            rows = await self._database.rows(self._here(home).where(_ITEMS.c.item_id.in_(holders)), "reading links")
            found.update((item.item_id, item) for item in (item_of(row.item) for row in rows))
        return list(found.values())

    async def gone(self, item_ids: Collection[str]) -> set[str]:
        """Those of these items that are forgotten."""
        found: set[str] = set()
        for part in parts(item_ids):
            query = select(_ITEMS.c.item_id).where(_ITEMS.c.item_id.in_(part), _ITEMS.c.status == Status.FORGOTTEN)
            found.update(row.item_id for row in await self._database.rows(query, "reading items"))
        return found

    async def counted(self, item_ids: Collection[str]) -> dict[str, int]:
        """The rows of these items by place, as a removal would count them."""
        async with self._database.reading("counting what would be forgotten") as connection:
            return await self._count(connection, item_ids)

    # --- Requests

    async def begin(self, forgetting: Forgetting, key: Key | None = None) -> Forgetting:
        """Keep a request, and learn no more from what it bars; where the key or the id is known, the first request.
        Raises Conflict where the key was used for another one."""
        home = Home(forgetting.org_id, forgetting.workspace)
        row = {
            "forgetting_id": forgetting.forgetting_id,
            "org_id": home.org_id,
            "workspace": home.workspace,
            "asked_by": forgetting.asked_by,
            "status": forgetting.stage,
            "body": encode_text(forgetting),
            "idempotency_key": None if key is None else key.key,
            "request_hash": None if key is None else key.request_hash,
            "at": forgetting.at,
        }
        barred = barred_by(forgetting.asked, forgetting.at)
        async with self._database.writing("keeping a request to forget") as connection:
            await self._writer.hold(connection, home)  # who writes after this sees what is barred
            new = insert_into(self._database, _REQUESTS).values(row).on_conflict_do_nothing()
            kept = await connection.execute(new.returning(_REQUESTS.c.forgetting_id))
            if kept.one_or_none() is None:
                return await self._kept(connection, forgetting, key)
            if barred:
                bars = insert_into(self._database, knowledge_barred)
                later = bars.on_conflict_do_update(
                    index_elements=["org_id", "workspace", "mark"],
                    set_={"until": bars.excluded.until},
                    where=bars.excluded.until > knowledge_barred.c.until,
                )
                await connection.execute(
                    later,
                    [
                        {"org_id": home.org_id, "workspace": home.workspace, "mark": mark, "until": until}
                        for mark, until in barred.items()
                    ],
                )
        return forgetting

    async def of_key(self, home: Home, asked_by: str, key: Key) -> Forgetting | None:
        """The request that was first made with the key. Raises Conflict where that was another one."""
        query = select(_REQUESTS.c.body, _REQUESTS.c.request_hash).where(
            _REQUESTS.c.org_id == home.org_id,
            _REQUESTS.c.workspace == home.workspace,
            _REQUESTS.c.asked_by == asked_by,
            _REQUESTS.c.idempotency_key == key.key,
        )
        rows = await self._database.rows(query, "reading requests to forget")
        return _same_request(rows[0], key) if rows else None

    async def get(self, scope: Scope, forgetting_id: str) -> Forgetting:
        """Raises NotFound, with one text, where there is none or it is out of reach."""
        query = _within(select(_REQUESTS.c.body), scope).where(_REQUESTS.c.forgetting_id == forgetting_id)
        rows = await self._database.rows(query, "reading requests to forget")
        if not rows:
            raise NotFound(f"there is no forgetting {forgetting_id}", code="forgetting_not_found")
        return decode_as(rows[0].body, Forgetting)

    async def page(self, scope: Scope, *, cursor: str | None = None, limit: int = 100) -> Page[Forgetting]:
        """The newest first. Raises InvalidInput for a bad cursor."""
        query = _within(select(_REQUESTS.c.forgetting_id, _REQUESTS.c.at, _REQUESTS.c.body), scope)
        if cursor is not None:
            after = place_of(cursor)
            older = (_REQUESTS.c.at == after.at) & (_REQUESTS.c.forgetting_id < after.id)
            query = query.where(or_(_REQUESTS.c.at < after.at, older))
        query = query.order_by(_REQUESTS.c.at.desc(), _REQUESTS.c.forgetting_id.desc()).limit(limit + 1)
        rows = await self._database.rows(query, "listing requests to forget")
        items = tuple(decode_as(row.body, Forgetting) for row in rows[:limit])
        if len(rows) <= limit:
            return Page(items)
        return Page(items, cursor_of(Place(items[-1].at, items[-1].forgetting_id)))

    async def unfinished(self, before: float, limit: int = 100) -> list[Forgetting]:
        """The oldest requests from before a time (seconds since the epoch) that have no certificate yet."""
        query = select(_REQUESTS.c.body).where(_REQUESTS.c.status != Stage.CERTIFIED, _REQUESTS.c.at < before)
        rows = await self._database.rows(query.order_by(_REQUESTS.c.at).limit(limit), "reading requests to forget")
        return [decode_as(row.body, Forgetting) for row in rows]

    async def finished(self, forgetting_ids: Collection[str]) -> set[str]:
        """Those of these requests that were carried out in this very store."""
        found: set[str] = set()
        for part in parts(forgetting_ids):
            query = select(_REQUESTS.c.forgetting_id).where(
                _REQUESTS.c.forgetting_id.in_(part), _REQUESTS.c.status == Stage.CERTIFIED
            )
            found.update(row.forgetting_id for row in await self._database.rows(query, "reading requests to forget"))
        return found

    async def certificate_of(self, item_id: str) -> str | None:
        """The id of the certificate that says that an item was forgotten; None where it was not."""
        query = select(knowledge_ledger).where(
            knowledge_ledger.c.item_id == item_id, knowledge_ledger.c.change == "forgotten"
        )
        changes = [entry.change for entry in entries_of(await self._database.rows(query, "reading the ledger"))]
        return next((change.certificate for change in changes if isinstance(change, Forgotten)), None)

    # --- Removal

    async def extend(self, forgetting: Forgetting) -> Forgetting:
        """Keep that a request takes further items. Returns it as it is kept."""
        async with self._database.writing("keeping a request to forget") as connection:
            await self._writer.hold(connection, Home(forgetting.org_id, forgetting.workspace))
            now = await _read(connection, forgetting.forgetting_id)
            after = replace(
                now,
                forgotten=forgetting.forgotten,
                withdrawn=forgetting.withdrawn,
                debates=forgetting.debates,
                receipts=forgetting.receipts,
                insights=forgetting.insights,
            )
            await _write(connection, after)
        return after

    async def remove(self, forgetting: Forgetting, item_ids: Sequence[str]) -> None:
        """Remove up to `BATCH` items of the request, or take sources out of them. What was removed before stays so and
        is not counted again."""
        home = Home(forgetting.org_id, forgetting.workspace)
        async with self._database.writing("forgetting items") as connection:
            await self._writer.hold(connection, home)  # from here on nobody else writes to these items
            held: dict[str, Item] = {}
            for part in parts(item_ids):
                rows = await connection.execute(select(_ITEMS.c.item).where(_ITEMS.c.item_id.in_(part)))
                held.update((item.item_id, item) for item in map(item_of, rows.scalars()))
            units = units_of(forgetting, item_ids, held)
            if not units:
                return
            buried = {unit.item_id for unit in units if isinstance(unit, Burial)} & set(forgetting.forgotten)
            lost = {unit.item_id for unit in units if not isinstance(unit, Addition)} - buried
            counts = await self._count(connection, buried)
            before = sum(len(held[item_id].sources) + len(held[item_id].against) for item_id in lost)
            written = await self._writer.written(connection, home, units)
            after = {one.item.item_id: one.item for one in written if one.item.item_id in lost}
            counts["withdrawn_sources"] = before - sum(len(one.sources) + len(one.against) for one in after.values())
            now = await _read(connection, forgetting.forgetting_id)
            removed = {place: now.removed.get(place, 0) + counts.get(place, 0) for place in {*now.removed, *counts}}
            fell = [item_id for item_id, item in after.items() if item.status is Status.FORGOTTEN]
            await _write(
                connection,
                replace(
                    now,
                    removed=removed,
                    forgotten=(*now.forgotten, *(one for one in fell if one not in now.forgotten)),
                    withdrawn=tuple(one for one in now.withdrawn if one.item_id not in fell),
                ),
            )

    async def beside(self, forgetting: Forgetting) -> dict[str, int]:
        """The rows beside items that the request takes, by place."""
        async with self._database.reading("counting what would be forgotten") as connection:
            return await count_beside(connection, forgetting)

    async def remove_beside(self, forgetting: Forgetting) -> None:
        """Remove what the request takes beside items; what went before is not counted again."""
        async with self._database.writing("forgetting notes and insights") as connection:
            await self._writer.hold(connection, Home(forgetting.org_id, forgetting.workspace))
            now = await _read(connection, forgetting.forgetting_id)
            gone = await remove_beside(connection, now)
            removed = {place: now.removed.get(place, 0) + count for place, count in gone.items()}
            await _write(connection, replace(now, removed={**now.removed, **removed}))

    async def insights(self, home: Home) -> list[SharedInsight]:
        """What a workspace shares with others, forgotten ones left out."""
        async with self._database.reading("reading insights") as connection:
            return await shared_in(connection, home)

    async def source_of_insight(self, org_id: str, share_id: str) -> str | None:
        """The workspace that shared it; None where there is no such insight."""
        async with self._database.reading("reading insights") as connection:
            return await source_of(connection, org_id, share_id)

    async def scrub(self) -> None:
        """Take what was removed off the disk, as far as the database lets us: SQLite merges the full-text index, whose
        deleted terms would stay until it does, and empties its write-ahead log."""
        if not self._database.is_sqlite:
            return
        async with self._database.writing("merging the full-text index") as connection:
            await connection.execute(text("INSERT INTO knowledge_tokens (knowledge_tokens) VALUES ('optimize')"))
        with suppress(Unavailable):  # a reader holds it: the next checkpoint empties it
            async with self._database.reading("emptying the write-ahead log") as connection:
                await connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))

    async def move(self, forgetting_id: str, stage: Stage) -> Forgetting:
        """Note how far a request is. Returns it as it is kept."""
        async with self._database.writing("keeping a request to forget") as connection:
            after = replace(await _read(connection, forgetting_id), stage=stage)
            await _write(connection, after)
        return after

    # --- Parts

    def _here(self, home: Home) -> Select[Any]:
        return select(_ITEMS.c.item).where(
            _ITEMS.c.org_id == home.org_id, _ITEMS.c.workspace == home.workspace, _ITEMS.c.status != Status.FORGOTTEN
        )

    async def _queries(self, home: Home, by: By, name: str) -> list[Any]:
        source = knowledge_sources
        if by is By.ITEM:
            return [_ITEMS.c.item_id == name]
        if by is By.SUBJECT:
            return [_ITEMS.c.subject.in_(part) for part in parts(await self._subjects(home, name))]
        if by is By.DEBATE:
            of = or_(source.c.debate_id == name, source.c.root == debate_root(name))
        elif by is By.PERSON:
            of = or_(source.c.person == name, source.c.root == person_root(name))
        else:
            words = containing(self._database, (workspace_scope(home.org_id, home.workspace),), query_tokens(name))
            return [_ITEMS.c.item_no.in_(words)] if query_tokens(name) else []
        return [_ITEMS.c.item_no.in_(select(source.c.item_no).where(of))]

    async def _subjects(self, home: Home, name: str) -> list[str]:
        """The subjects of the workspace that are this one, whatever their case and spaces."""
        query = (
            select(_ITEMS.c.subject)
            .distinct()
            .where(_ITEMS.c.org_id == home.org_id, _ITEMS.c.workspace == home.workspace, _ITEMS.c.subject != "")
        )
        wanted = folded(name)
        rows = await self._database.rows(query, "reading subjects")
        return [row[0] for row in rows if folded(row[0]) == wanted]

    async def _unindexed(self, home: Home, words: str) -> list[Item]:
        """Items that hold all the words where full-text search does not look: those that a person must look at first,
        and those that were reworded since."""
        tokens = set(query_tokens(words))
        hidden = or_(_ITEMS.c.status == Status.QUARANTINED, _ITEMS.c.version > 1)
        rows = await self._database.rows(self._here(home).where(hidden), "reading items")
        found = []
        for item in (item_of(row.item) for row in rows):
            query = select(knowledge_ledger).where(knowledge_ledger.c.item_id == item.item_id)
            entries = entries_of(await self._database.rows(query, "reading the ledger"))
            said = [entry.change.statement for entry in entries if isinstance(entry.change, Added | Reworded)]
            if any(tokens <= set(document_tokens(f"{one.content}\n{one.subject}").split()) for one in said):
                found.append(item)
        return found

    async def _count(self, connection: AsyncConnection, item_ids: Collection[str]) -> dict[str, int]:
        counts: dict[str, int] = {}
        for part in parts(item_ids):
            here = (_ITEMS.c.item_id.in_(part), _ITEMS.c.status != Status.FORGOTTEN)
            numbers = list((await connection.execute(select(_ITEMS.c.item_no).where(*here))).scalars())
            if not numbers:
                continue
            ledger = knowledge_ledger
            written = select(func.count()).where(ledger.c.item_id.in_(part), ledger.c.body != "")
            queries: dict[str, Select[int]] = {
                "knowledge_ledger": written.where(ledger.c.change != "forgotten"),
                "knowledge_links": select(func.count()).where(knowledge_links.c.item_id.in_(part)),
                "knowledge_tokens": counting(self._database, numbers),
                **{table.name: select(func.count()).where(table.c.item_no.in_(numbers)) for table in _BESIDE},
            }
            found = {"knowledge_items": len(numbers)}
            for place, query in queries.items():
                found[place] = int((await connection.execute(query)).scalar_one())
            counts = {place: counts.get(place, 0) + count for place, count in found.items()}
        return counts

    async def _kept(self, connection: AsyncConnection, forgetting: Forgetting, key: Key | None) -> Forgetting:
        query = select(_REQUESTS.c.body, _REQUESTS.c.request_hash)
        if key is not None:
            first = query.where(
                _REQUESTS.c.org_id == forgetting.org_id,
                _REQUESTS.c.workspace == forgetting.workspace,
                _REQUESTS.c.asked_by == forgetting.asked_by,
                _REQUESTS.c.idempotency_key == key.key,
            )
            row = (await connection.execute(first)).one_or_none()
            if row is not None:
                return _same_request(row, key)
        return await _read(connection, forgetting.forgetting_id)


_BESIDE: Final = (knowledge_topics, knowledge_sources, knowledge_vectors)


def _same_request(row: Any, key: Key) -> Forgetting:
    if row.request_hash != key.request_hash:
        raise Conflict(f"idempotency key {key.key!r} was used for another request to forget: use a new key")
    return decode_as(row.body, Forgetting)


async def _read(connection: AsyncConnection, forgetting_id: str) -> Forgetting:
    query = select(_REQUESTS.c.body).where(_REQUESTS.c.forgetting_id == forgetting_id).with_for_update()
    return decode_as((await connection.execute(query)).scalar_one(), Forgetting)


async def _write(connection: AsyncConnection, forgetting: Forgetting) -> None:
    certificate = forgetting.certificate_id if forgetting.stage is Stage.CERTIFIED else None
    change = update(_REQUESTS).where(_REQUESTS.c.forgetting_id == forgetting.forgetting_id)
    await connection.execute(
        change.values(status=forgetting.stage, body=encode_text(forgetting), certificate_id=certificate)
    )


def _within(query: Select[Any], scope: Scope) -> Select[Any]:
    if scope.org_id is not None:
        query = query.where(_REQUESTS.c.org_id == scope.org_id)
    if scope.workspaces is None:
        return query
    return query.where(_REQUESTS.c.workspace.in_(sorted(scope.workspaces)))
