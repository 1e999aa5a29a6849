"""Insights that workspaces share (context `aragora_memory`): each once, and a row for each workspace that is given it.

A target's row is there while the insight is shared: it goes in the transaction that withdraws or forgets it, so no
reader has to know of either. Whoever shares holds the row of its workspace, as a request to forget does: what was
shared before the request is there when it looks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Column, Double, Index, Row, Select, Table, Text, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from aragora import limits
from aragora.encoding import decode_as, encode_text
from aragora.errors import Conflict
from aragora.knowledge.insights import CrossWorkspaceInsight, InsightStatus, SharedInsight
from aragora.knowledge.model import Home
from aragora.knowledge.store.parts import parts
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.scope import Scope
from aragora.storage.contexts import Context
from aragora.storage.cursors import Page, Place, cursor_of, place_of
from aragora.storage.database import Database
from aragora.storage.storable import check_values
from aragora.storage.tables import METADATA

knowledge_insights = Table(
    "knowledge_insights",
    METADATA[Context.MEMORY],
    Column("share_id", Text, primary_key=True),
    Column("org_id", Text, nullable=False),
    Column("source", Text, nullable=False),  # the workspace that shares it
    Column("task_type", Text, nullable=False),
    Column("confidence", Double, nullable=False),
    Column("status", Text, nullable=False),
    Column("shared_by", Text, nullable=False),
    Column("shared_at", Double, nullable=False),
    Column("body", Text, nullable=False),  # JSON: the rest; empty once forgotten
    Index("ix_knowledge_insights_source", "org_id", "source", "shared_at", "share_id"),
)

knowledge_insight_targets = Table(
    "knowledge_insight_targets",
    METADATA[Context.MEMORY],
    Column("share_id", Text, primary_key=True),
    Column("workspace", Text, primary_key=True),
    Column("org_id", Text, nullable=False),
    Column("task_type", Text, nullable=False),
    Column("confidence", Double, nullable=False),
    Column("shared_at", Double, nullable=False),
    Index("ix_knowledge_insight_targets_given", "org_id", "workspace", "shared_at", "share_id"),
    Index("ix_knowledge_insight_targets_type", "org_id", "workspace", "task_type", "shared_at", "share_id"),
)

_OF: Final = knowledge_insights.c
_GIVEN: Final = knowledge_insight_targets.c
_READING: Final = "reading insights"
_GONE: Final = {"task_type": "", "confidence": 0.0, "status": InsightStatus.FORGOTTEN, "shared_by": "", "body": ""}


class _Body(msgspec.Struct):
    """What of an insight no query asks for. Stored: a member's name never changes."""

    insight_id: str = ""
    target_workspaces: tuple[str, ...] = ()
    content: str = ""
    created_at: str = ""
    created: float = 0.0
    reason: str = ""


class InsightStore:
    """Over the database of context `aragora_memory`. Every method raises Unavailable where that is away."""

    def __init__(self, database: Database, writer: KnowledgeWriter) -> None:
        self._database = database
        self._writer = writer

    async def add(self, share_id: str, home: Home, made: Callable[[], SharedInsight]) -> tuple[SharedInsight, bool]:
        """Keep what `made` gives, where nothing is kept under the id; the one that is kept, and whether it is new.
        `made` is called while the workspace is held. Raises Conflict (too_many_insights), InvalidInput for a text that
        no database holds."""
        async with self._database.writing("sharing an insight") as connection:
            await self._writer.hold(connection, home)
            kept = await _one(connection, share_id)
            if kept is not None:
                return kept, False
            here = select(func.count()).where(_here(home), _OF.status != InsightStatus.FORGOTTEN)
            if int((await connection.execute(here)).scalar_one()) >= limits.INSIGHTS_MAX:
                raise Conflict(
                    f"a workspace shares {limits.INSIGHTS_MAX} insights at most: have old ones forgotten first",
                    code="too_many_insights",
                )
            new = made()
            row = _row(new)
            check_values("insight", new.share_id, row.values())
            await connection.execute(insert(knowledge_insights), row)
            await _give(connection, new)
            return new, True

    async def find(self, org_id: str, share_id: str) -> SharedInsight | None:
        """One of an organisation, whoever may see it."""
        query = select(knowledge_insights).where(_OF.share_id == share_id, _OF.org_id == org_id)
        rows = await self._database.rows(query, _READING)
        return _insight(rows[0]) if rows else None

    async def some(self, scope: Scope, share_ids: Sequence[str]) -> list[SharedInsight]:
        """Of these those that the workspaces of a scope shared, whatever their status."""
        found: list[SharedInsight] = []
        for part in parts(share_ids):
            query = select(knowledge_insights).where(_OF.org_id == scope.org_id, _OF.share_id.in_(part))
            found += [_insight(row) for row in await self._database.rows(query, _READING)]
        return [one for one in found if scope.holds(one.org_id, one.source)]

    async def given_to(
        self, home: Home, minimum: float, *, task_type: str | None = None, cursor: str | None = None, limit: int = 100
    ) -> Page[SharedInsight]:
        """Those that a workspace is given, with a confidence of `minimum` or more, newest first. Raises InvalidInput
        for a bad cursor."""
        given = select(_GIVEN.share_id, _GIVEN.shared_at).where(
            _GIVEN.org_id == home.org_id, _GIVEN.workspace == home.workspace, _GIVEN.confidence >= minimum
        )
        if task_type is not None:
            given = given.where(_GIVEN.task_type == task_type)
        listed = _after(given, _GIVEN, cursor).limit(limit + 1).subquery()
        query = select(knowledge_insights).join(listed, listed.c.share_id == _OF.share_id)
        return await self._page(query, limit)

    async def shared_by(
        self, home: Home, *, task_type: str | None = None, cursor: str | None = None, limit: int = 100
    ) -> Page[SharedInsight]:
        """Those that a workspace shares or shared, whatever their status, newest first; none that is forgotten. Raises
        InvalidInput for a bad cursor."""
        query = select(knowledge_insights).where(_here(home), _OF.status != InsightStatus.FORGOTTEN)
        if task_type is not None:
            query = query.where(_OF.task_type == task_type)
        return await self._page(_after(query, _OF, cursor).limit(limit + 1), limit)

    async def move(self, share_id: str, step: Callable[[SharedInsight], SharedInsight]) -> SharedInsight | None:
        """Keep what `step` makes of an insight; what is kept then. None where there is none. What `step` raises is
        raised, and nothing changed."""
        async with self._database.writing("changing an insight") as connection:
            kept = await _one(connection, share_id)
            if kept is None:
                return None
            after = step(kept)
            if after != kept:
                change = update(knowledge_insights).where(_OF.share_id == share_id)
                await connection.execute(change.values(_row(after)))
                await connection.execute(delete(knowledge_insight_targets).where(_GIVEN.share_id == share_id))
                await _give(connection, after)
            return after

    async def _page(self, query: Select[Any], limit: int) -> Page[SharedInsight]:
        ordered = query.order_by(_OF.shared_at.desc(), _OF.share_id.desc())
        found = [_insight(row) for row in await self._database.rows(ordered, _READING)]
        if len(found) <= limit:
            return Page(tuple(found))
        last = found[limit - 1]
        return Page(tuple(found[:limit]), cursor_of(Place(last.shared_at, last.share_id)))


# --- What a request to forget asks, in its transactions


async def shared_in(connection: AsyncConnection, home: Home) -> list[SharedInsight]:
    """All that a workspace shared and that are not forgotten."""
    query = select(knowledge_insights).where(_here(home), _OF.status != InsightStatus.FORGOTTEN)
    return [_insight(row) for row in await connection.execute(query)]


async def source_of(connection: AsyncConnection, org_id: str, share_id: str) -> str | None:
    """The workspace that shares or shared it; None where there is no such insight in the organisation."""
    query = select(_OF.source).where(_OF.share_id == share_id, _OF.org_id == org_id)
    source: str | None = (await connection.execute(query)).scalar_one_or_none()
    return source


async def count_insights(connection: AsyncConnection, home: Home, share_ids: Collection[str]) -> int:
    """How many of these a removal would count."""
    return len(await _standing(connection, home, share_ids))


async def remove_insights(connection: AsyncConnection, home: Home, share_ids: Collection[str], at: float) -> int:
    """Take the content of these out, and from whoever is given them; how many that were. Done again, none are left.
    Those that are not there are entered as forgotten `at` that time, so that they are not shared again: the store may
    have been restored from a backup of before. The caller holds the workspace."""
    standing = await _standing(connection, home, share_ids)
    for part in parts(standing):
        await connection.execute(delete(knowledge_insight_targets).where(_GIVEN.share_id.in_(part)))
        await connection.execute(update(knowledge_insights).where(_OF.share_id.in_(part)).values(_GONE))
    for part in parts(sorted(share_ids)):
        there = set((await connection.execute(select(_OF.share_id).where(_OF.share_id.in_(part)))).scalars())
        rows = [
            {**_GONE, "share_id": one, "org_id": home.org_id, "source": home.workspace, "shared_at": at}
            for one in part
            if one not in there
        ]
        if rows:
            await connection.execute(insert(knowledge_insights), rows)
    return len(standing)


async def _standing(connection: AsyncConnection, home: Home, share_ids: Collection[str]) -> list[str]:
    found: list[str] = []
    for part in parts(sorted(share_ids)):
        query = select(_OF.share_id).where(_here(home), _OF.share_id.in_(part), _OF.status != InsightStatus.FORGOTTEN)
        found += (await connection.execute(query)).scalars()
    return found


async def _one(connection: AsyncConnection, share_id: str) -> SharedInsight | None:
    query = select(knowledge_insights).where(_OF.share_id == share_id).with_for_update()
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else _insight(row)


async def _give(connection: AsyncConnection, new: SharedInsight) -> None:
    """The rows of its targets, where they are given it."""
    if new.status is not InsightStatus.SHARED:
        return
    row = {
        "share_id": new.share_id,
        "org_id": new.org_id,
        "task_type": new.insight.task_type,
        "confidence": new.insight.confidence,
        "shared_at": new.shared_at,
    }
    rows = [{**row, "workspace": target} for target in new.insight.target_workspaces]
    await connection.execute(insert(knowledge_insight_targets), rows)


def _here(home: Home) -> Any:
    return (_OF.org_id == home.org_id) & (_OF.source == home.workspace)


def _after(query: Select[Any], of: Any, cursor: str | None) -> Select[Any]:
    if cursor is not None:
        place = place_of(cursor)
        older = (of.shared_at == place.at) & (of.share_id < place.id)
        query = query.where(or_(of.shared_at < place.at, older))
    return query.order_by(of.shared_at.desc(), of.share_id.desc())


def _row(one: SharedInsight) -> dict[str, Any]:
    insight = one.insight
    body = _Body(
        insight.insight_id,
        tuple(insight.target_workspaces),
        insight.content,
        insight.created_at,
        one.created,
        one.reason,
    )
    return {
        "share_id": one.share_id,
        "org_id": one.org_id,
        "source": one.source,
        "task_type": insight.task_type,
        "confidence": insight.confidence,
        "status": one.status,
        "shared_by": one.shared_by,
        "shared_at": one.shared_at,
        "body": encode_text(body),
    }


def _insight(row: Row[Any]) -> SharedInsight:
    """The insight of a row; of a forgotten one its ids and times."""
    body = decode_as(row.body, _Body) if row.body else _Body()
    insight = CrossWorkspaceInsight(
        insight_id=body.insight_id,
        source_workspace=row.source,
        target_workspaces=body.target_workspaces,
        task_type=row.task_type,
        content=body.content,
        confidence=row.confidence,
        created_at=body.created_at,
    )
    status = InsightStatus(row.status)
    return SharedInsight(
        row.share_id, row.org_id, insight, body.created, row.shared_by, row.shared_at, status, body.reason
    )
