"""What adapters note of debates besides items (context `aragora_memory`): rows by adapter and key, each debate once.
Of an attempt at a task `debate_id` is `TASK_ID:FENCE`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import Column, ColumnElement, Double, Index, Integer, Table, Text, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.knowledge.forgetting import By, Forgetting
from aragora.knowledge.model import Home
from aragora.knowledge.observations import Observation
from aragora.knowledge.store.parts import parts
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.tables import METADATA, insert_into

PLACE: Final = "knowledge_observations"
"""How a certificate of what was forgotten calls them."""

BATCH: Final = 500  # rows deleted at once

knowledge_observations = Table(
    PLACE,
    METADATA[Context.MEMORY],
    Column("adapter", Text, primary_key=True),
    Column("debate_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),  # among those of one debate
    Column("org_id", Text, nullable=False),
    Column("workspace", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("person", Text, nullable=False),  # who opened the debate
    Column("at", Double, nullable=False),
    Column("body", Text, nullable=False),  # JSON of a type of the adapter's
    Index("ix_knowledge_observations_key", "org_id", "workspace", "adapter", "key", "at"),
    Index("ix_knowledge_observations_debate", "org_id", "workspace", "debate_id"),
    Index("ix_knowledge_observations_person", "org_id", "workspace", "person"),
)

_OF: Final = knowledge_observations.c


class Observations:
    """Reads them. Every method raises Unavailable where the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(self, home: Home, adapter: str, key: str, limit: int) -> list[Observation]:
        """Up to `limit` of a key, the newest first."""
        return await self.newest_of(home, adapter, (key,), limit)

    async def newest_of(self, home: Home, adapter: str, keys: Collection[str], limit: int) -> list[Observation]:
        """Up to `limit` of these keys together, the newest first. As many keys as fit one query (`parts.LOOKED_UP`)."""
        query = (
            select(_OF.key, _OF.body, _OF.debate_id, _OF.person, _OF.at)
            .where(_here(home), _OF.adapter == adapter, _OF.key.in_(keys))
            .order_by(_OF.at.desc(), _OF.debate_id.desc(), _OF.number)
            .limit(limit)
        )
        return [Observation(*row) for row in await self._database.rows(query, "reading what adapters noted")]

    async def keys_of(self, home: Home, adapter: str, after: str, until: float, limit: int) -> list[str]:
        """Up to `limit` keys of a workspace behind `after`, in order, whose newest note is of `until` or before
        (seconds since the epoch)."""
        query = (
            select(_OF.key)
            .where(_here(home), _OF.adapter == adapter, _OF.key > after)
            .group_by(_OF.key)
            .having(func.max(_OF.at) <= until)
            .order_by(_OF.key)
            .limit(limit)
        )
        return [row[0] for row in await self._database.rows(query, "reading what adapters noted")]

    async def of_debates(self, home: Home, adapter: str, debate_ids: Collection[str]) -> list[Observation]:
        """What an adapter noted of these debates, in no order."""
        found: list[Observation] = []
        for some in parts(debate_ids):
            query = select(_OF.key, _OF.body, _OF.debate_id, _OF.person, _OF.at)
            query = query.where(_here(home), _OF.adapter == adapter, _OF.debate_id.in_(some))
            found += [Observation(*row) for row in await self._database.rows(query, "reading what adapters noted")]
        return found


async def keep(
    database: Database, connection: AsyncConnection, home: Home, adapter: str, observations: Sequence[Observation]
) -> None:
    """Keep what an adapter notes. What is there already stays: of one debate it always notes the same."""
    rows = [
        {
            "adapter": adapter,
            "debate_id": one.debate_id,
            "number": number,
            "org_id": home.org_id,
            "workspace": home.workspace,
            "key": one.key,
            "person": one.person,
            "at": one.at,
            "body": one.body,
        }
        for number, one in _numbered(observations)
    ]
    if rows:
        await connection.execute(insert_into(database, knowledge_observations).on_conflict_do_nothing(), rows)


async def count_observations(connection: AsyncConnection, forgetting: Forgetting) -> int:
    """How many a request to forget takes: those of its debates, or of the debates that its person opened."""
    taken = _taken(forgetting)
    if taken is None:
        return 0
    counting = select(func.count()).select_from(knowledge_observations).where(taken)
    return int((await connection.execute(counting)).scalar_one())


async def remove_observations(connection: AsyncConnection, forgetting: Forgetting) -> int:
    """Remove those; how many that were. Done again, none are left."""
    taken = _taken(forgetting)
    if taken is None:
        return 0
    return (await connection.execute(delete(knowledge_observations).where(taken))).rowcount


async def forget_before(database: Database, adapter: str, before: float) -> int:
    """Delete up to `BATCH` notes of an adapter of a time before `before`; how many that were. Raises Unavailable."""
    # In the order of the primary key: an id of a task begins with its time, so the old ones are found first.
    old = select(_OF.debate_id).where(_OF.adapter == adapter, _OF.at < before).order_by(_OF.debate_id).limit(BATCH)
    ids = [row[0] for row in await database.rows(old, "reading what adapters noted")]
    if not ids:
        return 0
    gone = delete(knowledge_observations).where(_OF.adapter == adapter, _OF.debate_id.in_(ids), _OF.at < before)
    async with database.writing("forgetting what adapters noted") as connection:
        return (await connection.execute(gone)).rowcount


def _numbered(observations: Sequence[Observation]) -> list[tuple[int, Observation]]:
    """Each with its number among those of its debate."""
    counts: dict[str, int] = {}
    numbered = []
    for one in observations:
        counts[one.debate_id] = counts.get(one.debate_id, 0) + 1
        numbered.append((counts[one.debate_id], one))
    return numbered


def _here(home: Home) -> ColumnElement[bool]:
    return (_OF.org_id == home.org_id) & (_OF.workspace == home.workspace)


def _taken(forgetting: Forgetting) -> ColumnElement[bool] | None:
    here, asked = _here(Home(forgetting.org_id, forgetting.workspace)), forgetting.asked
    if asked.by is By.DEBATE:
        return here & _OF.debate_id.in_(asked.named)
    if asked.by is By.PERSON:
        return here & _OF.person.in_(asked.named) & (_OF.at <= forgetting.at)
    return None
