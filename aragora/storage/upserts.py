"""INSERT ... ON CONFLICT in the dialect of a database: SQLAlchemy has it per dialect only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite

if TYPE_CHECKING:
    from sqlalchemy import Table
    from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
    from sqlalchemy.dialects.sqlite import Insert as SqliteInsert

    from aragora.storage.database import Database


def insert_into(database: Database, table: Table) -> SqliteInsert | PostgresInsert:
    """An insert that knows `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return insert_sqlite(table) if database.is_sqlite else insert_postgresql(table)
