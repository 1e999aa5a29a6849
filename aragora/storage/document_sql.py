"""Documents in SQLite or PostgreSQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import RowMapping, Table, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite

from aragora.storage.database import Database
from aragora.storage.document import PAGE, DocumentRow


class SqlDocuments:
    """The rows of one table of `tables_identity`."""

    def __init__(self, database: Database, table: Table) -> None:
        self._database = database
        self._table = table

    async def get(self, record_id: str) -> DocumentRow | None:
        rows = await self._select(self._table.c.record_id == record_id)
        return rows[0] if rows else None

    async def put(self, row: DocumentRow) -> DocumentRow:
        table = self._table
        insert: Any = insert_sqlite(table) if self._database.is_sqlite else insert_postgresql(table)
        upsert = insert.values({name: getattr(row, name) for name in DocumentRow.__slots__} | {"version": 1})
        replaced = {name: upsert.excluded[name] for name in ("org_id", "owner", "kind", "payload", "updated_at")}
        statement = upsert.on_conflict_do_update(
            index_elements=["record_id"], set_={**replaced, "version": table.c.version + 1}
        ).returning(*table.c)
        async with self._database.writing() as connection:
            return _row((await connection.execute(statement)).mappings().one())

    async def swap(self, record_id: str, version: int, payload: str, now: float) -> bool:
        table = self._table
        change = (
            update(table)
            .where(table.c.record_id == record_id, table.c.version == version)
            .values(payload=payload, version=version + 1, updated_at=now)
        )
        async with self._database.writing() as connection:
            return bool((await connection.execute(change)).rowcount == 1)

    async def delete(self, record_id: str) -> bool:
        async with self._database.writing() as connection:
            done = await connection.execute(delete(self._table).where(self._table.c.record_id == record_id))
            return bool(done.rowcount == 1)

    async def find(self, *, org_id: str, owner: str | None = None, kind: str | None = None) -> list[DocumentRow]:
        table = self._table
        conditions = [table.c.org_id == org_id]
        if owner is not None:
            conditions.append(table.c.owner == owner)
        if kind is not None:
            conditions.append(table.c.kind == kind)
        return await self._select(*conditions)

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
