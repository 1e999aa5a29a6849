"""Whether the store can be used as it is, without changing it: what `aragora doctor` says of it.

The start of the server meets the same causes in `apply`; the texts are the same (`aragora.storage.diagnosis`).
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from time import monotonic
from typing import Final

from aragora.config.settings import Settings
from aragora.errors import Misconfigured
from aragora.migrations.history import Standing, standing
from aragora.storage.contexts import Context, Location
from aragora.storage.diagnosis import diagnosed
from aragora.storage.postgres import connect

QUICK_CHECK_S: Final = 5.0  # of one SQLite file; a large one is looked at as far as that goes
_STEPS: Final = 100_000  # of SQLite's machine between two looks at the clock
_UNWRITABLE: Final = """
    SELECT count(*) FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND relname LIKE 'schema_version_%'
      AND NOT (has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT')
               AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE'))
"""


async def check(settings: Settings) -> Standing:
    """Where the store stands, once it was found whole and usable by this role or user.

    Raises Misconfigured where a person must mend it, Unavailable where it cannot be used for now.
    """
    if settings.database_url is not None:
        found = await standing(settings)
        await _check_rights(Location.of(settings, Context.CORE))
        return found
    for location in (Location.of(settings, context) for context in Context):
        with diagnosed(location):
            await asyncio.to_thread(_check_file, location)
    return await standing(settings)


def _check_file(location: Location) -> None:
    path = location.path
    if path is None or not path.exists():
        return
    with closing(sqlite3.connect(path, timeout=location.timeout_s)) as connection:
        until = monotonic() + QUICK_CHECK_S
        connection.set_progress_handler(lambda: monotonic() > until, _STEPS)
        try:
            problems = list(_problems(connection))
        except sqlite3.OperationalError as stopped:
            if stopped.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            return
    if problems:
        raise Misconfigured(
            f"{path} is damaged ({problems[0]}): put a backup in its place (docs/operations.md, Back up and repair)"
        )


def _problems(connection: sqlite3.Connection) -> Iterator[str]:
    for (line,) in connection.execute("PRAGMA quick_check(1)"):
        if line != "ok":
            yield str(line)


async def _check_rights(location: Location) -> None:
    import asyncpg  # noqa: PLC0415 - only where PostgreSQL is used

    with diagnosed(location):
        connection = await connect(location)
        try:
            may_create = await connection.fetchval("SELECT has_schema_privilege(current_schema(), 'CREATE')")
            unwritable = await connection.fetchval(_UNWRITABLE)
        finally:
            await connection.close()
        if not may_create or unwritable:
            raise asyncpg.InsufficientPrivilegeError("asked, not tried")
