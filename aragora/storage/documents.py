"""Documents: rows of JSON with a version, for compare-and-swap. The port, and the rows in SQLite or PostgreSQL.

SQL and Supabase (`aragora.storage.supabase`) fulfil the port alike, so collections and the encryption of existing data
know no backend. A feature does not use this port itself: see `aragora.storage.collection`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from sqlalchemy import BigInteger, Column, Double, Index, RowMapping, Table, Text, delete, func, select, update

from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.tables import METADATA, insert_into

PAGE: Final = 200
_CONTEXT: Final = "context"


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """One document. `payload` is JSON text with secret fields encrypted; `version` grows with every write.

    Times are seconds since the epoch.
    """

    record_id: str
    org_id: str
    owner: str
    kind: str
    payload: str = field(repr=False)
    version: int
    created_at: float
    updated_at: float


class Documents(Protocol):
    """Rows of one table. Every method raises Unavailable where the backend is away."""

    async def get(self, record_id: str) -> DocumentRow | None: ...

    async def put(self, row: DocumentRow) -> DocumentRow:
        """Insert, or replace what is there; `version` and `created_at` of `row` do not matter. The row as kept."""
        ...

    async def replace(self, row: DocumentRow, payload: str, now: float) -> bool:
        """Replace the payload if the record is still at the version of `row`. False where it changed or is gone."""
        ...

    async def delete(self, record_id: str) -> bool:
        """True if it was there."""
        ...

    async def find(
        self,
        *,
        org_id: str,
        owner: str | None = None,
        kind: str | None = None,
        after: str = "",
        limit: int | None = None,
    ) -> list[DocumentRow]:
        """The rows of an organisation, of one owner and kind where given, in order of their ids: those after the id
        `after`, all of them or `limit`."""
        ...

    async def page(self, after: str, limit: int = PAGE) -> list[DocumentRow]:
        """The next rows in order of their ids, of all organisations: for jobs that walk the whole store."""
        ...

    async def count(self) -> int: ...


def document_table(name: str, context: Context) -> Table:
    """The table of one kind of documents; `version` is what compare-and-swap compares."""
    return Table(
        name,
        METADATA[context],
        Column("record_id", Text, primary_key=True),
        Column("org_id", Text, nullable=False),
        Column("owner", Text, nullable=False),
        Column("kind", Text, nullable=False),
        Column("payload", Text, nullable=False),  # JSON: object
        Column("version", BigInteger, nullable=False),
        Column("created_at", Double, nullable=False),
        Column("updated_at", Double, nullable=False),
        Index(f"ix_{name}_owner", "org_id", "owner", "kind"),
        info={_CONTEXT: context},
    )


def context_of(table: Table) -> Context:
    """The context of a table that `document_table` made."""
    return Context(table.info[_CONTEXT])


class SqlDocuments:
    """The rows of one document table in SQLite or PostgreSQL."""

    def __init__(self, database: Database, table: Table) -> None:
        self._database = database
        self._table = table

    async def get(self, record_id: str) -> DocumentRow | None:
        rows = await self._select(self._table.c.record_id == record_id)
        return rows[0] if rows else None

    async def put(self, row: DocumentRow) -> DocumentRow:
        table = self._table
        upsert = insert_into(self._database, table).values(
            {name: getattr(row, name) for name in DocumentRow.__slots__} | {"version": 1}
        )
        replaced = {name: upsert.excluded[name] for name in ("org_id", "owner", "kind", "payload", "updated_at")}
        statement = upsert.on_conflict_do_update(
            index_elements=["record_id"], set_={**replaced, "version": table.c.version + 1}
        ).returning(*table.c)
        async with self._database.writing() as connection:
            return _row((await connection.execute(statement)).mappings().one())

    async def replace(self, row: DocumentRow, payload: str, now: float) -> bool:
        table = self._table
        change = (
            update(table)
            .where(table.c.record_id == row.record_id, table.c.version == row.version)
            .values(payload=payload, version=row.version + 1, updated_at=now)
        )
        async with self._database.writing() as connection:
            return bool((await connection.execute(change)).rowcount == 1)

    async def delete(self, record_id: str) -> bool:
        async with self._database.writing() as connection:
            deleted = await connection.execute(delete(self._table).where(self._table.c.record_id == record_id))
            return bool(deleted.rowcount == 1)

    async def find(
        self,
        *,
        org_id: str,
        owner: str | None = None,
        kind: str | None = None,
        after: str = "",
        limit: int | None = None,
    ) -> list[DocumentRow]:
        table = self._table
        conditions = [table.c.org_id == org_id, table.c.record_id > after]
        if owner is not None:
            conditions.append(table.c.owner == owner)
        if kind is not None:
            conditions.append(table.c.kind == kind)
        return await self._select(*conditions, limit=limit)

    async def page(self, after: str, limit: int = PAGE) -> list[DocumentRow]:
        return await self._select(self._table.c.record_id > after, limit=limit)

    async def count(self) -> int:
        async with self._database.reading() as connection:
            return int((await connection.execute(select(func.count()).select_from(self._table))).scalar_one())

    async def _select(self, *conditions: Any, limit: int | None = None) -> list[DocumentRow]:
        query = select(self._table).where(*conditions).order_by(self._table.c.record_id).limit(limit)
        async with self._database.reading() as connection:
            return [_row(row) for row in (await connection.execute(query)).mappings()]


def _row(row: RowMapping) -> DocumentRow:
    return DocumentRow(**{name: row[name] for name in DocumentRow.__slots__})
