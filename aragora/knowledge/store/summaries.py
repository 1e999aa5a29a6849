"""What summaries are made of, read workspace by workspace, and how far each workspace was condensed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy import ColumnElement, delete, func, select

from aragora.knowledge.condensing import CONDENSED, MEMBERS_MAX, MEMBERS_MIN
from aragora.knowledge.model import Home, Item, ItemKind, Status
from aragora.knowledge.store.rows import item_of
from aragora.knowledge.store.tables import (
    knowledge_cursors,
    knowledge_items,
    knowledge_topics,
    knowledge_workspaces,
)
from aragora.storage.database import Database
from aragora.storage.tables import insert_into

TOPICS_MAX: Final = 200  # of a workspace, those with the most items
LOOSE_MAX: Final = 2_000  # items without a topic, the newest
_LOOKED_UP: Final = 400
_SUMMARIES: Final = "summaries"
_ITEMS: Final = knowledge_items.c


class SummaryStore:
    """Over the database of context `aragora_memory`. Every method raises Unavailable where that is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def behind(self) -> dict[Home, int]:
        """The workspaces that changed since they were condensed, each with the seq of its ledger."""
        table, known = knowledge_workspaces.c, await self.followed()
        rows = await self._database.rows(select(table.org_id, table.workspace, table.seq), "reading workspaces")
        standing = {Home(row.org_id, row.workspace): row.seq for row in rows}
        return {home: seq for home, seq in standing.items() if seq > known.get(home, 0)}

    async def followed(self) -> dict[Home, int]:
        """The workspaces that were condensed, each with the seq up to which."""
        table = knowledge_cursors.c
        query = select(table.name, table.seq).where(table.name.startswith(f"{_SUMMARIES}\n", autoescape=True))
        rows = await self._database.rows(query, "reading what was condensed")
        return {Home(*row.name.split("\n")[1:]): int(row.seq) for row in rows}

    async def follow(self, home: Home, seq: int) -> None:
        """The workspace was condensed up to this seq."""
        new = insert_into(self._database, knowledge_cursors).values(name=_name(home), seq=seq)
        async with self._database.writing("writing what was condensed") as connection:
            await connection.execute(new.on_conflict_do_update(index_elements=["name"], set_={"seq": seq}))

    async def unfollow(self, home: Home) -> None:
        """The workspace has no summaries any more."""
        async with self._database.writing("writing what was condensed") as connection:
            await connection.execute(delete(knowledge_cursors).where(knowledge_cursors.c.name == _name(home)))

    async def standing(self, home: Home) -> list[Item]:
        """The summaries of a workspace."""
        query = select(_ITEMS.item).where(
            *_here(home), _ITEMS.kind == ItemKind.SUMMARY, _ITEMS.status != Status.FORGOTTEN
        )
        return [item_of(row.item) for row in await self._database.rows(query, "reading summaries")]

    async def some(self, home: Home, item_ids: Collection[str]) -> dict[str, Item]:
        """Of these items those of the workspace, by id."""
        ids, found = list(item_ids), dict[str, Item]()
        for start in range(0, len(ids), _LOOKED_UP):
            query = select(_ITEMS.item).where(*_here(home), _ITEMS.item_id.in_(ids[start : start + _LOOKED_UP]))
            rows = await self._database.rows(query, "reading items")
            found.update((item.item_id, item) for item in (item_of(row.item) for row in rows))
        return found

    async def grouped(self, home: Home) -> list[Item]:
        """What may be condensed: of each large topic, and of what has none, the newest items; one may come twice."""
        live = (*_here(home), _ITEMS.kind.in_(sorted(CONDENSED)), _ITEMS.status == Status.LIVE)
        topic = knowledge_topics.c
        sizes = (
            select(topic.topic)
            .join_from(knowledge_topics, knowledge_items, topic.item_no == _ITEMS.item_no)
            .where(*live)
            .group_by(topic.topic)
            .having(func.count() >= MEMBERS_MIN)
            .order_by(func.count().desc(), topic.topic)
            .limit(TOPICS_MAX)
        )
        found: list[Item] = []
        for row in await self._database.rows(sizes, "reading topics"):
            numbers = select(topic.item_no).where(topic.topic == row.topic)
            query = select(_ITEMS.item).where(*live, _ITEMS.item_no.in_(numbers))
            newest = query.order_by(_ITEMS.item_no.desc()).limit(MEMBERS_MAX)
            found += [item_of(one.item) for one in await self._database.rows(newest, "reading items of a topic")]
        loose = select(_ITEMS.item).where(*live, _ITEMS.item_no.not_in(select(topic.item_no)))
        newest = loose.order_by(_ITEMS.item_no.desc()).limit(LOOSE_MAX)
        found += [item_of(one.item) for one in await self._database.rows(newest, "reading items without a topic")]
        return found


def _here(home: Home) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return _ITEMS.org_id == home.org_id, _ITEMS.workspace == home.workspace


def _name(home: Home) -> str:
    """Neither an organisation's id nor a workspace's name holds a line break."""
    return f"{_SUMMARIES}\n{home.org_id}\n{home.workspace}"
