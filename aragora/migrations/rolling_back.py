"""Undoing the last migration: what would be lost, a copy before it, and the undoing itself.

What is lost is found out by undoing the migration in a transaction that is then rolled back: DDL is transactional in
SQLite and in PostgreSQL. So it is what really goes, whatever the migration says of itself.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aragora.config.settings import Settings
from aragora.errors import Misconfigured
from aragora.migrations.applying import migrate, migrating_alone, run_revisions
from aragora.migrations.history import Revision, Standing, standing, version_table
from aragora.storage.contexts import Location
from aragora.storage.database import Database
from aragora.storage.diagnosis import diagnosed
from aragora.texts import counted

if TYPE_CHECKING:
    from sqlalchemy import Connection

BACKUPS: Final = "backups"


@dataclass(frozen=True, slots=True)
class Loss:
    """What a table loses: `columns` of its `rows` rows; all of it where `columns` is empty."""

    table: str
    rows: int
    columns: tuple[str, ...] = ()

    def __str__(self) -> str:
        rows = counted(self.rows, "row")
        if self.columns:
            return f"{self.table}: {counted(len(self.columns), 'column')} of {rows}: {', '.join(self.columns)}"
        return f"{self.table}: the table with {rows}"


@dataclass(frozen=True, slots=True)
class Undoing:
    """The revision that would be undone, the one before it in its context (None: there is none), and what is lost."""

    revision: Revision
    before: str | None
    losses: tuple[Loss, ...]


async def plan(settings: Settings) -> Undoing | None:
    """What undoing the last migration would do; None where none is applied. Changes nothing.

    Raises as `apply_all`, and Misconfigured where a newer program made the last one: it alone knows how to undo it.
    """
    found = await standing(settings)
    refuse_if_ahead(found)
    applied = found.applied
    if not applied:
        return None
    last = applied[-1]
    numbers = [revision.number for revision in applied if revision.context is last.context]
    before = numbers[-2] if len(numbers) > 1 else None
    return Undoing(last, before, await _losses(settings, last, before))


def refuse_if_ahead(found: Standing) -> None:
    """Raises Misconfigured where a newer program has migrated the store: it alone can undo that."""
    if found.ahead:
        ahead = ", ".join(f"{revision.context}/{revision.number}" for revision in found.ahead)
        raise Misconfigured(
            f"the store has {ahead}, which this program does not know: roll back with the newer version of Aragora that "
            "made it"
        )


async def undo(settings: Settings, undoing: Undoing) -> None:
    """Undo what was planned. Raises as `apply_all`."""
    async with migrating_alone(settings):
        await migrate(settings, undoing.revision.context, undoing.before)


async def copy(settings: Settings, undoing: Undoing, at: float) -> Path | None:
    """A copy of the SQLite file that will change, in `backups/` of the data directory; None on PostgreSQL. `at` is
    seconds since the epoch. Raises as `apply_all`."""
    location = Location.of(settings, undoing.revision.context)
    if location.path is None:
        return None
    stamp = datetime.fromtimestamp(at, UTC).strftime("%Y%m%dT%H%M%SZ")
    number = undoing.revision.number
    target = settings.data_dir / BACKUPS / f"{undoing.revision.context}-before-undoing-{number}-{stamp}.db"
    with diagnosed(location):
        await asyncio.to_thread(_copy, location.path, target)
    return target


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o700, exist_ok=True)
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with closing(sqlite3.connect(source)) as whole, closing(sqlite3.connect(target)) as copied:
        whole.backup(copied)


async def _losses(settings: Settings, revision: Revision, before: str | None) -> tuple[Loss, ...]:
    from aragora.storage.engines import transactions  # noqa: PLC0415  loads SQLAlchemy

    location = Location.of(settings, revision.context).unhurried()
    database = Database(location)
    try:
        with diagnosed(location):
            async with transactions(database.engine).connect() as connection:
                found = await connection.run_sync(_tried, revision, before)
                await connection.rollback()
    finally:
        await database.aclose()
    return found


def _tried(connection: Connection, revision: Revision, before: str | None) -> tuple[Loss, ...]:
    from sqlalchemy import text  # noqa: PLC0415

    had = _tables(connection)
    rows = {table: connection.execute(text(f'SELECT count(*) FROM "{table}"')).scalar_one() for table in had}  # noqa: S608  names of our schema
    run_revisions(connection, revision.context, before)
    return tuple(_lost(had, _tables(connection), rows, ignored=version_table(revision.context)))


def _lost(
    had: Mapping[str, set[str]], has: Mapping[str, set[str]], rows: Mapping[str, int], *, ignored: str
) -> list[Loss]:
    found = []
    for table in sorted(had):
        columns = tuple(sorted(had[table] - has.get(table, set())))
        if table != ignored and columns:
            found.append(Loss(table, rows[table], columns if table in has else ()))
    return found


def _tables(connection: Connection) -> dict[str, set[str]]:
    """The columns of every table."""
    from sqlalchemy import inspect  # noqa: PLC0415

    inspector = inspect(connection)
    return {name: {column["name"] for column in inspector.get_columns(name)} for name in inspector.get_table_names()}
