"""SQLAlchemy engines for a location."""

from __future__ import annotations

from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]  # ships no annotations
from sqlalchemy import URL, Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from aragora.storage.database import SQLITE_POOL_MAX, Location

PRAGMAS: Final = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON")
CONNECT_TIMEOUT_S: Final = 10.0


def create_engine(location: Location) -> AsyncEngine:
    """The engine of a location; connects when first used."""
    return _sqlite(location) if location.path is not None else _postgres(location)


def _sqlite(location: Location) -> AsyncEngine:
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(location.path)),
        pool_size=min(location.pool_size, SQLITE_POOL_MAX),
        max_overflow=0,
        pool_timeout=location.timeout_s,
        hide_parameters=True,
        connect_args={"timeout": location.timeout_s},
    )

    @event.listens_for(engine.sync_engine, "connect")
    def _prepare(dbapi: Any, _record: object) -> None:
        dbapi.isolation_level = None  # the driver begins nothing by itself: `_begin` does
        cursor = dbapi.cursor()
        for pragma in PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        if connection.get_execution_options().get("writes"):
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _postgres(location: Location) -> AsyncEngine:
    async def connect() -> asyncpg.Connection[Any]:
        return await asyncpg.connect(
            location.dsn, timeout=min(CONNECT_TIMEOUT_S, location.timeout_s), command_timeout=location.timeout_s
        )

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=location.pool_size,
        max_overflow=0,
        pool_timeout=location.timeout_s,
        pool_pre_ping=True,
        hide_parameters=True,
    )
