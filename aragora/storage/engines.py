"""SQLAlchemy engines for a location. Apart from `database`, so that a process that only journals never imports it.

Both kinds run statements in autocommit unless a transaction is asked for: a read costs no BEGIN and no ROLLBACK.
"""

from __future__ import annotations

from typing import Any, Final

import asyncpg
from sqlalchemy import URL, Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from aragora.storage.location import SQLITE_POOL_MAX, Location, sqlite_pragmas

CONNECT_TIMEOUT_S: Final = 10.0
_WRITES: Final = "aragora_writes"  # execution option: this transaction takes SQLite's write lock at its beginning


def create_engine(location: Location) -> AsyncEngine:
    """The engine of a location; connects when first used."""
    return _sqlite(location) if location.path is not None else _postgres(location)


def transactions(engine: AsyncEngine) -> AsyncEngine:
    """The same connections, for transactions that write."""
    level = "SERIALIZABLE" if engine.dialect.name == "sqlite" else "READ COMMITTED"
    return engine.execution_options(isolation_level=level, **{_WRITES: True})


def _sqlite(location: Location) -> AsyncEngine:
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(location.path)),
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        pool_size=min(location.pool_size, SQLITE_POOL_MAX),
        max_overflow=0,
        pool_timeout=location.timeout_s,
        pool_use_lifo=True,
        hide_parameters=True,
        connect_args={"timeout": location.timeout_s},
    )

    @event.listens_for(engine.sync_engine, "connect")
    def _prepare(dbapi: Any, _record: object) -> None:
        cursor = dbapi.cursor()
        for pragma in sqlite_pragmas(location.timeout_s):
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        if connection.get_execution_options().get(_WRITES):
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _postgres(location: Location) -> AsyncEngine:
    async def connect() -> asyncpg.Connection[Any]:
        return await asyncpg.connect(
            location.dsn,
            timeout=min(CONNECT_TIMEOUT_S, location.timeout_s),
            command_timeout=location.timeout_s,
            server_settings={"application_name": f"aragora-{location.context}", "jit": "off"},
        )

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        pool_size=location.pool_size,
        max_overflow=0,
        pool_timeout=location.timeout_s,
        pool_use_lifo=True,
        pool_pre_ping=True,
        hide_parameters=True,
    )
