"""Reading the Knowledge Mound. What a caller may find is decided here, in the query, whoever proposes the items: an
index that is behind can neither show what is not the caller's nor bring back what is gone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, exists, false, func, not_, or_, select, tuple_

from aragora.knowledge.counting import Operation, counted
from aragora.knowledge.glimpse import Glimpse
from aragora.knowledge.ledger import NAMES, Entry, Restored, Superseded
from aragora.knowledge.model import KEPT, SEARCHED, Home, Item, ItemKind, LinkKind, Visibility
from aragora.knowledge.planning import unknown_item
from aragora.knowledge.relevance import cover_of, telling
from aragora.knowledge.search.tokens import query_tokens
from aragora.knowledge.store.common_words import CommonWords
from aragora.knowledge.store.lexical import (
    found_in,
    matching,
    of_summaries,
    standing_in,
    tokens_beside,
    tokens_in,
)
from aragora.knowledge.store.rows import entries_of, item_of
from aragora.knowledge.store.tables import (
    SHARED,
    knowledge_items,
    knowledge_ledger,
    knowledge_links,
    knowledge_sources,
    knowledge_topics,
    knowledge_workspaces,
)
from aragora.knowledge.wanted import Wanted
from aragora.scope import Scope
from aragora.storage.cursors import Page, Place, cursor_of, place_of
from aragora.storage.database import Database

PAGE_ITEMS: Final = 100
_LOOKED_UP: Final = 500

_ITEMS: Final = knowledge_items


class KnowledgeReader:
    """Over the database of context `aragora_memory`. Every method raises Unavailable where that is away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._common = CommonWords(database)

    async def get(self, scope: Scope, item_id: str) -> Item:
        """An item, whatever its status. Raises NotFound, with one text, where there is none or it is out of reach."""
        query = select(_ITEMS.c.item).where(_ITEMS.c.item_id == item_id, within(scope))
        rows = await self._database.rows(query, "reading an item")
        if not rows:
            raise unknown_item(item_id)
        return item_of(rows[0].item)

    async def some(self, scope: Scope, item_ids: Sequence[str]) -> list[Item]:
        """Of up to some hundred items those that the caller may know of, whatever their status."""
        query = select(_ITEMS.c.item).where(_ITEMS.c.item_id.in_(item_ids), within(scope))
        return [item_of(row.item) for row in await self._database.rows(query, "reading items")]

    async def numbered(self, scope: Scope, wanted: Wanted, item_nos: Collection[int], now: float) -> dict[int, Item]:
        """Of these items those that the caller may find and that are wanted, at `now` in seconds since the epoch."""
        found: dict[int, Item] = {}
        numbers = list(item_nos)
        for start in range(0, len(numbers), _LOOKED_UP):
            part = numbers[start : start + _LOOKED_UP]
            query = select(_ITEMS.c.item_no, _ITEMS.c.item).where(_ITEMS.c.item_no.in_(part))
            rows = await self._database.rows(_narrowed(query, scope, wanted, now), "reading items")
            found.update((row.item_no, item_of(row.item)) for row in rows)
        return found

    async def glimpses(self, scope: Scope, wanted: Wanted, item_nos: Collection[int], now: float) -> dict[int, Glimpse]:
        """As `numbered`, of each what ranking needs."""
        places = found_in(scope.org_id or "", await self.workspaces(scope))
        places += of_summaries(places)
        columns = (_ITEMS.c.item_no, _ITEMS.c.kind, _ITEMS.c.confidence, _ITEMS.c.changed_at)
        found: dict[int, Glimpse] = {}
        numbers = list(item_nos)
        for start in range(0, len(numbers), _LOOKED_UP):
            query: Select[Any] = select(*columns).where(_ITEMS.c.item_no.in_(numbers[start : start + _LOOKED_UP]))
            query = _narrowed(tokens_beside(self._database, query), scope, wanted, now)
            for number, kind, confidence, changed_at, held in await self._database.rows(query, "searching items"):
                found[number] = Glimpse(ItemKind(kind), confidence, changed_at, tokens_in(held, places))
        return found

    async def lexical(
        self, scope: Scope, wanted: Wanted, tokens: Sequence[str], limit: int, now: float
    ) -> list[tuple[int, float]]:
        """Number and rank of the best `limit` items that hold any of the tokens; the higher the rank, the better."""
        places = found_in(scope.org_id or "", await self.workspaces(scope))
        if not tokens or not places:
            return []
        if wanted.within or wanted.kinds == (ItemKind.SUMMARY,):
            return await self._of_few(scope, wanted, tokens, limit, now)

        async def ranked(query: Select[Any]) -> list[tuple[int, float]]:
            rows = await self._database.rows(_narrowed(query, scope, wanted, now), "searching items")
            return [(row[0], float(row[1])) for row in rows]

        rarer = await self._common.rarer(places, tokens)
        if rarer.tokens:
            narrowing = () if rarer.everywhere else places
            return await ranked(matching(self._database, narrowing, rarer.tokens, limit))
        together = await ranked(matching(self._database, places, telling(tokens), limit, each=True))
        return together or await ranked(matching(self._database, places, tokens, limit))

    async def _of_few(
        self, scope: Scope, wanted: Wanted, tokens: Sequence[str], limit: int, now: float
    ) -> list[tuple[int, float]]:
        """As `lexical`, of summaries alone or of the items of one: they are so few that reading them all is quicker
        than to rank by how rare words are, which counts the words of all items."""
        query = select(_ITEMS.c.item_no, _ITEMS.c.item)
        if not wanted.within:
            places = found_in(scope.org_id or "", await self.workspaces(scope))
            query = query.where(_ITEMS.c.item_no.in_(standing_in(self._database, of_summaries(places))))
        rows = await self._database.rows(_narrowed(query, scope, wanted, now), "searching items")
        cover = cover_of(tokens)
        said = ((row.item_no, frozenset(query_tokens(item_of(row.item).statement.content))) for row in rows)
        ranked = ((item_no, cover(held)) for item_no, held in said)
        return sorted((one for one in ranked if one[1] > 0.0), key=lambda one: (-one[1], one[0]))[:limit]

    async def allowed(self, scope: Scope, wanted: Wanted, limit: int, now: float) -> list[int] | None:
        """The numbers of all wanted items, for an index that is to search among them alone; None where there are more
        than `limit`."""
        numbers = _narrowed(select(_ITEMS.c.item_no), scope, wanted, now).limit(limit + 1)
        rows = await self._database.rows(numbers, "reading items")
        return None if len(rows) > limit else [row.item_no for row in rows]

    @counted(Operation.LIST)
    async def page(
        self, scope: Scope, wanted: Wanted, now: float, *, cursor: str | None = None, limit: int = PAGE_ITEMS
    ) -> Page[Item]:
        """The wanted items, newest first. Raises InvalidInput for a bad cursor."""
        columns = (_ITEMS.c.item_no, _ITEMS.c.item_id, _ITEMS.c.recorded_at, _ITEMS.c.item)
        query = _narrowed(select(*columns), scope, wanted, now)
        if cursor is not None:
            place = place_of(cursor)
            after = select(_ITEMS.c.item_no).where(_ITEMS.c.item_id == place.id).scalar_subquery()
            query = query.where(_ITEMS.c.item_no < after)
        rows = await self._database.rows(query.order_by(_ITEMS.c.item_no.desc()).limit(limit + 1), "listing items")
        items = tuple(item_of(row.item) for row in rows[:limit])
        if len(rows) <= limit:
            return Page(items)
        return Page(items, cursor_of(Place(rows[limit - 1].recorded_at, rows[limit - 1].item_id)))

    async def history(self, scope: Scope, item_id: str) -> list[Entry]:
        """What happened to an item, oldest first. Raises NotFound."""
        await self.get(scope, item_id)
        query = select(knowledge_ledger).where(knowledge_ledger.c.item_id == item_id)
        return entries_of(await self._database.rows(query.order_by(knowledge_ledger.c.seq), "reading the ledger"))

    async def linking_to(
        self, scope: Scope, item_ids: Collection[str], kind: LinkKind, now: float
    ) -> dict[str, list[Item]]:
        """The items that hold a link of this kind to one of up to some hundred items, by that one's id; those that are
        searched now."""
        link = knowledge_links
        query = (
            select(link.c.to_id, _ITEMS.c.item)
            .join_from(link, _ITEMS, link.c.item_id == _ITEMS.c.item_id)
            .where(link.c.to_id.in_(list(item_ids)), link.c.kind == kind)
        )
        rows = await self._database.rows(_narrowed(query, scope, Wanted(), now), "reading links")
        found: dict[str, list[Item]] = {}
        for row in rows:
            found.setdefault(row.to_id, []).append(item_of(row.item))
        return found

    async def workspaces(self, scope: Scope) -> tuple[str, ...]:
        """The workspaces of a scope by name; where it has all of an organisation, those that know something."""
        if scope.workspaces is not None:
            return tuple(sorted(scope.workspaces))
        table = knowledge_workspaces
        query = select(table.c.workspace).where(table.c.org_id == scope.org_id).order_by(table.c.workspace)
        return tuple(row.workspace for row in await self._database.rows(query, "reading workspaces"))

    async def offers(self, home: Home) -> bool | None:
        """Whether debates of the workspace are offered knowledge; None where it knows nothing, and nothing is shared
        with its organisation."""
        table = knowledge_workspaces
        query = select(table.c.offers).where(table.c.org_id == home.org_id, table.c.workspace == home.workspace)
        rows = await self._database.rows(query, "reading a workspace")
        if rows:
            return bool(rows[0].offers)
        shared = select(_ITEMS.c.item_no).where(_ITEMS.c.org_id == home.org_id, SHARED).limit(1)
        return True if await self._database.rows(shared, "reading what is shared") else None

    async def offering(self, after: Home | None, limit: int) -> list[Home]:
        """Up to `limit` workspaces of all organisations behind `after`, in order, whose debates are offered
        knowledge."""
        names = (knowledge_workspaces.c.org_id, knowledge_workspaces.c.workspace)
        query = select(*names).where(knowledge_workspaces.c.offers).order_by(*names).limit(limit)
        if after is not None:
            query = query.where((after.org_id, after.workspace) < tuple_(*names))
        rows = await self._database.rows(query, "reading workspaces")
        return [Home(*row) for row in rows]

    async def counts(self) -> dict[tuple[str, str], int]:
        """How many items there are, by kind and status, of all organisations: for figures."""
        query = select(_ITEMS.c.kind, _ITEMS.c.status, func.count()).group_by(_ITEMS.c.kind, _ITEMS.c.status)
        rows = await self._database.rows(query, "counting items")
        return {(row[0], row[1]): row[2] for row in rows}


def within(scope: Scope) -> ColumnElement[bool]:
    """That the caller may know of the item: its workspace's, or shared with the whole organisation. Who may use no
    workspace, or is of no organisation, may know of none."""
    if scope.org_id is None or (scope.workspaces is not None and not scope.workspaces):
        return false()
    of_org = _ITEMS.c.org_id == scope.org_id
    if scope.workspaces is None:
        return of_org
    own = _ITEMS.c.workspace.in_(sorted(scope.workspaces))
    return and_(of_org, or_(own, _ITEMS.c.visibility == Visibility.ORG))


def _narrowed(query: Select[Any], scope: Scope, wanted: Wanted, now: float) -> Select[Any]:
    """The query, of what the caller may find and wants."""
    columns = _ITEMS.c
    query = query.where(within(scope))
    query = query.where(columns.status == wanted.status) if wanted.status else _holding(query, wanted.as_of, now)
    if wanted.kinds:
        query = query.where(columns.kind.in_(wanted.kinds))
    if wanted.domain:
        query = query.where(columns.domain == wanted.domain)
    if wanted.min_confidence > 0.0:
        query = query.where(columns.confidence >= wanted.min_confidence)
    if wanted.topics:
        numbers = select(knowledge_topics.c.item_no).where(knowledge_topics.c.topic.in_(wanted.topics))
        query = query.where(columns.item_no.in_(numbers))
    if wanted.within:
        query = query.where(columns.item_id.in_(_condensed_in(wanted.within)))
    if wanted.debate_id:
        numbers = select(knowledge_sources.c.item_no).where(knowledge_sources.c.debate_id == wanted.debate_id)
        query = query.where(columns.item_no.in_(numbers))
    return query


def _condensed_in(item_id: str) -> Select[Any]:
    """The ids of the items that a summary was made of; none for an item of another kind."""
    link, summary = knowledge_links.c, knowledge_items.alias()
    made = select(link.to_id).join_from(knowledge_links, summary, link.item_id == summary.c.item_id)
    return made.where(link.item_id == item_id, link.kind == LinkKind.DERIVED_FROM, summary.c.kind == ItemKind.SUMMARY)


def _holding(query: Select[Any], as_of: float | None, now: float) -> Select[Any]:
    """The query, of what held at that time, or holds now."""
    columns = _ITEMS.c
    at = now if as_of is None else as_of
    query = query.where(
        or_(columns.valid_from.is_(None), columns.valid_from <= at),
        or_(columns.valid_to.is_(None), columns.valid_to > at),
    )
    if as_of is None:
        return query.where(columns.status.in_(sorted(SEARCHED)))
    return query.where(
        columns.status.in_(sorted(KEPT)),
        or_(columns.superseded_at.is_(None), columns.superseded_at > as_of),
        not_(_away(as_of)),
    )


def _away(as_of: float) -> ColumnElement[bool]:
    """Whether the item had been superseded by then, and had not come back: its column tells of the last time alone."""
    gone, back = knowledge_ledger.alias(), knowledge_ledger.alias()
    returned = exists().where(
        back.c.item_id == gone.c.item_id,
        back.c.change == NAMES[Restored],
        back.c.seq > gone.c.seq,
        back.c.at <= as_of,
    )
    return exists().where(
        gone.c.item_id == _ITEMS.c.item_id, gone.c.change == NAMES[Superseded], gone.c.at <= as_of, not_(returned)
    )
