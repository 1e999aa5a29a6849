"""The vectors of items, kept beside them: an index is built from these, and never the other way round.

A vector belongs to one wording of one item and to one embedder. It is kept as float16: that halves the store, and moves
a cosine by less than a thousandth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from sqlalchemy import Select, and_, bindparam, delete, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.knowledge.model import BY_WORDS, KEPT, Home, Visibility
from aragora.knowledge.search.vectors import Vectors
from aragora.knowledge.store.generations import raise_generations
from aragora.knowledge.store.lexical import scopes_of
from aragora.knowledge.store.rows import item_of
from aragora.knowledge.store.tables import (
    knowledge_embedder,
    knowledge_generations,
    knowledge_items,
    knowledge_ledger,
    knowledge_vectors,
    knowledge_workspaces,
)
from aragora.storage.database import Database
from aragora.storage.tables import insert_into

PAGE: Final = 5_000
_KEPT: Final = sorted(KEPT)
_ITEMS: Final = knowledge_items
_VECTORS: Final = knowledge_vectors
_EMBEDDED: Final = _ITEMS.c.status.in_(_KEPT) & _ITEMS.c.kind.not_in(sorted(BY_WORDS))


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item may be found: its number and scopes; none where it may not be found any more."""

    item_no: int
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unembedded:
    """A wording without a vector. `changed_at` is in seconds since the epoch."""

    item_no: int
    version: int
    text: str
    changed_at: float


class VectorStore:
    """Over the database of context `aragora_memory`. Every method raises Unavailable where that is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def standing(self) -> dict[Home, int]:
        """The newest seq of each workspace's ledger."""
        table = knowledge_workspaces
        rows = await self._database.rows(select(table.c.org_id, table.c.workspace, table.c.seq), "reading workspaces")
        return {Home(row.org_id, row.workspace): row.seq for row in rows}

    async def generations(self) -> dict[str, int]:
        """The generations of all scopes."""
        rows = await self._database.rows(select(knowledge_generations), "reading generations")
        return {row.scope: row.generation for row in rows}

    async def changed(self, home: Home, after: int, limit: int = PAGE) -> tuple[int, list[Place]]:
        """The items that changed after a seq of the workspace's ledger, up to `limit` changes, and the seq of the last
        of these."""
        ledger = knowledge_ledger
        query = select(ledger.c.seq, ledger.c.item_id).where(
            ledger.c.org_id == home.org_id, ledger.c.workspace == home.workspace, ledger.c.seq > after
        )
        rows = await self._database.rows(query.order_by(ledger.c.seq).limit(limit), "reading the ledger")
        if not rows:
            return after, []
        ids = list(dict.fromkeys(row.item_id for row in rows))
        places: list[Place] = []
        for start in range(0, len(ids), 500):
            columns = (_ITEMS.c.item_no, _ITEMS.c.status, _ITEMS.c.visibility)
            found = await self._database.rows(select(*columns).where(_ITEMS.c.item_id.in_(ids[start : start + 500])))
            places += [Place(one.item_no, _scopes(home, one.status, one.visibility)) for one in found]
        return rows[-1].seq, places

    async def page(self, embedder_id: str, after: int, limit: int = PAGE) -> tuple[list[Place], Vectors | None]:
        """The vectors of items that may be found, by item number beyond `after`; none is the end."""
        query = (
            self._held(embedder_id)
            .where(_VECTORS.c.item_no > after, _ITEMS.c.status.in_(_KEPT))
            .order_by(_VECTORS.c.item_no)
            .limit(limit)
        )
        return _read(await self._database.rows(query, "reading vectors"))

    async def of(self, embedder_id: str, item_nos: Sequence[int]) -> tuple[list[Place], Vectors | None]:
        """The vectors of up to 500 items, as far as there are any."""
        query = self._held(embedder_id).where(_VECTORS.c.item_no.in_(item_nos), _ITEMS.c.status.in_(_KEPT))
        return _read(await self._database.rows(query, "reading vectors"))

    async def unembedded(self, embedder_id: str, limit: int) -> list[int]:
        """The numbers of the newest `limit` items that may be found and have no vector of this embedder."""
        query = (
            select(_ITEMS.c.item_no)
            .outerjoin(_VECTORS, _of_wording(embedder_id))
            .where(_VECTORS.c.item_no.is_(None), _EMBEDDED)
            .order_by(_ITEMS.c.item_no.desc())
            .limit(limit)
        )
        return [row.item_no for row in await self._database.rows(query, "reading items without vectors")]

    async def wordings(self, embedder_id: str, item_nos: Sequence[int]) -> list[Unembedded]:
        """Of up to 500 items those that still have no vector, as they are now."""
        query = (
            select(_ITEMS.c.item_no, _ITEMS.c.version, _ITEMS.c.changed_at, _ITEMS.c.item)
            .outerjoin(_VECTORS, _of_wording(embedder_id))
            .where(_ITEMS.c.item_no.in_(item_nos), _VECTORS.c.item_no.is_(None), _EMBEDDED)
        )
        rows = await self._database.rows(query, "reading items without vectors")
        return [
            Unembedded(row.item_no, row.version, item_of(row.item).statement.content, row.changed_at) for row in rows
        ]

    async def put(self, embedder_id: str, made: Mapping[int, tuple[int, np.ndarray[Any, Any]]]) -> set[int]:
        """Keep vectors, by item number with the wording they are of. Returns the numbers of those that were kept: an
        item that was reworded, hidden or forgotten meanwhile gets none."""
        if not made:
            return set()
        columns = (_ITEMS.c.item_no, _ITEMS.c.org_id, _ITEMS.c.workspace, _ITEMS.c.visibility, _ITEMS.c.version)
        query = select(*columns).where(_ITEMS.c.item_no.in_(list(made)), _ITEMS.c.status.in_(_KEPT))
        async with self._database.writing("writing vectors") as connection:
            await self._hold(connection, query)
            found = await connection.execute(query.with_for_update())
            there = {row.item_no: row for row in found if row.version == made[row.item_no][0]}
            rows = [
                {
                    "item_no": item_no,
                    "embedder_id": embedder_id,
                    "version": version,
                    "vector": vector.astype("<f2").tobytes(),
                }
                for item_no, (version, vector) in made.items()
                if item_no in there
            ]
            if rows:
                new = insert_into(self._database, _VECTORS)
                kept = new.on_conflict_do_update(
                    index_elements=["item_no", "embedder_id"],
                    set_={"version": new.excluded.version, "vector": new.excluded.vector},
                )
                await connection.execute(kept, rows)
            current = (await connection.execute(select(knowledge_embedder.c.embedder_id))).scalar_one_or_none()
            if current == embedder_id:  # no search reads those of another
                places = (
                    scope
                    for row in there.values()
                    for scope in scopes_of(row.org_id, row.workspace, Visibility(row.visibility))
                )
                await raise_generations(self._database, connection, places)
        return set(there)

    async def _hold(self, connection: AsyncConnection, items: Select[Any]) -> None:
        """PostgreSQL: hold the workspaces of these items, as their writers do. Whoever forgets one of the items waits,
        and then finds the vector; and nobody waits for each other."""
        if self._database.is_sqlite:
            return
        found = await connection.execute(items)
        homes = {(row.org_id, row.workspace) for row in found}
        table = knowledge_workspaces
        held = select(table.c.seq).where(tuple_(table.c.org_id, table.c.workspace).in_(sorted(homes)))
        await connection.execute(held.order_by(table.c.org_id, table.c.workspace).with_for_update())

    # --- Which embedder is current

    async def current(self, wanted: str, now: float) -> str:
        """The id of the embedder whose vectors are searched; `wanted` becomes it where there is none yet."""
        table = knowledge_embedder
        first = insert_into(self._database, table).values(one=1, embedder_id=wanted, since=now)
        async with self._database.writing("reading the embedder") as connection:
            await connection.execute(first.on_conflict_do_nothing(index_elements=["one"]))
            return str((await connection.execute(select(table.c.embedder_id))).scalar_one())

    async def make_current(self, embedder_id: str, instead_of: str, now: float) -> bool:
        """Whose vectors are searched from now on; False where another has become it meanwhile."""
        table = knowledge_embedder
        change = update(table).where(table.c.embedder_id == instead_of).values(embedder_id=embedder_id, since=now)
        async with self._database.writing("changing the embedder") as connection:
            return bool((await connection.execute(change)).rowcount)

    async def drop_others(self, embedder_id: str, limit: int = PAGE) -> int:
        """Remove up to `limit` vectors that are of another embedder; returns how many. Writers wait that long."""
        other = select(_VECTORS.c.item_no, _VECTORS.c.embedder_id).where(_VECTORS.c.embedder_id != embedder_id)
        async with self._database.writing("removing vectors") as connection:
            found = (await connection.execute(other.limit(limit))).all()
            by_embedder: dict[str, list[int]] = {}
            for row in found:
                by_embedder.setdefault(row.embedder_id, []).append(row.item_no)
            for of, numbers in by_embedder.items():
                gone = delete(_VECTORS).where(_VECTORS.c.embedder_id == of, _VECTORS.c.item_no == bindparam("gone"))
                await connection.execute(gone, [{"gone": item_no} for item_no in numbers])
        return len(found)

    async def count(self, embedder_id: str) -> int:
        """How many vectors of this embedder are kept."""
        query = select(func.count()).select_from(_VECTORS).where(_VECTORS.c.embedder_id == embedder_id)
        return int((await self._database.rows(query, "counting vectors"))[0][0])

    async def findable(self, before: int | None, limit: int) -> list[Unembedded]:
        """Up to `limit` items that may be found and get a vector, by falling number below `before`, whether they have
        it or not; none is the end."""
        columns = (_ITEMS.c.item_no, _ITEMS.c.version, _ITEMS.c.changed_at, _ITEMS.c.item)
        query = select(*columns).where(_EMBEDDED)
        if before is not None:
            query = query.where(_ITEMS.c.item_no < before)
        rows = await self._database.rows(query.order_by(_ITEMS.c.item_no.desc()).limit(limit), "reading items")
        return [
            Unembedded(row.item_no, row.version, item_of(row.item).statement.content, row.changed_at) for row in rows
        ]

    async def count_findable(self) -> int:
        """How many items may be found and get a vector."""
        query = select(func.count()).select_from(_ITEMS).where(_EMBEDDED)
        return int((await self._database.rows(query, "counting items"))[0][0])

    def _held(self, embedder_id: str) -> Select[Any]:
        columns = (_ITEMS.c.item_no, _ITEMS.c.org_id, _ITEMS.c.workspace, _ITEMS.c.status, _ITEMS.c.visibility)
        return select(*columns, _VECTORS.c.vector).join_from(_VECTORS, _ITEMS, _of_wording(embedder_id))


def _of_wording(embedder_id: str) -> Any:
    return and_(
        _VECTORS.c.item_no == _ITEMS.c.item_no,
        _VECTORS.c.embedder_id == embedder_id,
        _VECTORS.c.version == _ITEMS.c.version,
    )


def _read(rows: Sequence[Any]) -> tuple[list[Place], Vectors | None]:
    if not rows:
        return [], None
    places = [Place(row.item_no, _scopes(Home(row.org_id, row.workspace), row.status, row.visibility)) for row in rows]
    vectors = np.stack([np.frombuffer(row.vector, dtype="<f2") for row in rows]).astype(np.float32)
    return places, vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _scopes(home: Home, status: str, visibility: str) -> tuple[str, ...]:
    return scopes_of(home.org_id, home.workspace, Visibility(visibility)) if status in _KEPT else ()
