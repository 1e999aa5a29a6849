"""Generations: how often what may be found in a scope has changed.

Every write raises the generations of the scopes of its items in its own transaction, and so does a vector that a search
may read. An answer that is kept under the generations it was made at is never given once one of them has moved on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Integer, bindparam, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.knowledge.store.tables import knowledge_embedder, knowledge_generations, knowledge_items
from aragora.storage.database import Database, Lookup
from aragora.storage.tables import insert_into

_OF: Final = knowledge_generations.c
_ITEMS: Final = knowledge_items.c
_TWO: Final = select(
    *(
        func.coalesce(
            select(_OF.generation).where(_OF.scope == bindparam(name)).scalar_subquery(), literal_column("0", Integer)
        )
        for name in ("one", "other")
    )
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stand with some scopes: their generations, and whose vectors are searched (empty: nobody's yet)."""

    generations: tuple[tuple[str, int], ...]
    embedder_id: str


class Generations:
    """Over the database of context `aragora_memory`. Every method raises Unavailable where that is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def standing(self, scopes: Collection[str]) -> Standing:
        """How these scopes stand now, by name."""
        rows = await self._database.rows(
            select(_OF.scope, _OF.generation).where(_OF.scope.in_(sorted(scopes))), "reading generations"
        )
        known = {row.scope: row.generation for row in rows}
        embedder = await self._database.rows(select(knowledge_embedder.c.embedder_id), "reading the embedder")
        return Standing(
            tuple((scope, known.get(scope, 0)) for scope in sorted(scopes)), embedder[0][0] if embedder else ""
        )

    def of(self, one: str, other: str) -> Lookup:
        """What reads the generations of two scopes beside something else: one row, with 0 for a scope that has none."""
        return Lookup(self._database, _TWO, {"one": one, "other": other})

    async def next_begin(self, org_id: str, now: float) -> float | None:
        """When the next item of the organisation begins to hold, in seconds since the epoch."""
        query = select(func.min(_ITEMS.valid_from)).where(_ITEMS.org_id == org_id, _ITEMS.valid_from > now)
        begins: float | None = (await self._database.rows(query, "reading validities"))[0][0]
        return begins


async def raise_generations(database: Database, connection: AsyncConnection, scopes: Iterable[str]) -> None:
    """Raise the generations of these scopes. What else the transaction writes, it writes before: whoever waits for one
    of these rows then waits for nothing else that the transaction holds."""
    rows = [{"scope": scope, "generation": 1} for scope in sorted(set(scopes))]
    if not rows:
        return
    raised = insert_into(database, knowledge_generations).on_conflict_do_update(
        index_elements=["scope"], set_={"generation": _OF.generation + 1}
    )
    await connection.execute(raised, rows)
