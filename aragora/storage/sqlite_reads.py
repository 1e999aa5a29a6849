"""Reads of a SQLite file in one hop to a thread each, for what every request asks.

aiosqlite hops for the connection, the cursor, the statement, its rows and its end; this runs all of it at once on a
thread, through SQLAlchemy's synchronous engine: 0.3 ms instead of 0.8 ms for a debate, measured alone on one core.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import URL, Select, create_engine, event

from aragora.storage.database import SQLITE_POOL_MAX, Location, sqlite_pragmas


class SqliteReader:
    """Queries on a few threads with a connection each; connects when first used."""

    def __init__(self, location: Location) -> None:
        self._timeout_s = location.timeout_s
        self._threads = ThreadPoolExecutor(SQLITE_POOL_MAX, thread_name_prefix=f"read-{location.context}")
        self._engine = create_engine(
            URL.create("sqlite", database=str(location.path)),
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
            pool_size=SQLITE_POOL_MAX,
            max_overflow=0,
            pool_timeout=location.timeout_s,
            pool_use_lifo=True,
            hide_parameters=True,
            connect_args={"timeout": location.timeout_s},
        )

        @event.listens_for(self._engine, "connect")
        def _prepare(dbapi: Any, _record: object) -> None:
            for pragma in sqlite_pragmas(location.timeout_s):
                dbapi.execute(pragma)

    async def rows(self, query: Select[Any]) -> Sequence[Any]:
        """All rows of a query. Raises the driver's error, or TimeoutError."""
        async with asyncio.timeout(self._timeout_s):
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._rows, query)

    async def aclose(self) -> None:
        """Let what runs end, then close the connections."""
        await asyncio.to_thread(self._threads.shutdown)
        self._engine.dispose()

    def _rows(self, query: Select[Any]) -> Sequence[Any]:
        with self._engine.connect() as connection:
            found: Sequence[Any] = connection.execute(query).all()
            return found
