"""Connections to a location: SQLAlchemy's engines, and reads of a SQLite file in one hop to a thread each.

Apart from `database`, so that a process that only journals never imports SQLAlchemy. Both engines run statements in
autocommit unless a transaction is asked for: a read costs no BEGIN and no ROLLBACK.

The reader is for what every request asks. aiosqlite hops for the connection, the cursor, the statement, its rows and
its end; the reader runs all of it at once on a thread, through SQLAlchemy's synchronous engine: 0.3 ms instead of 0.8
ms for a debate, measured alone on one core. What is read all the time is compiled once and given to the driver
(`lookup`), which saves another 0.1 ms.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import URL, Connection, NullPool, Select, event
from sqlalchemy import create_engine as sqlalchemy_engine
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from aragora.storage.contexts import SESSION_PREFIX, SQLITE_POOL_MAX, Location, sqlite_pragmas
from aragora.storage.postgres import connect

if TYPE_CHECKING:
    import asyncpg

_WRITES: Final = "aragora_writes"  # execution option: this transaction takes SQLite's write lock at its beginning


def create_engine(location: Location) -> AsyncEngine:
    """The engine of a location; connects when first used."""
    return _sqlite(location) if location.path is not None else _postgres(location)


def transactions(engine: AsyncEngine) -> AsyncEngine:
    """The same connections, for transactions that write."""
    level = "SERIALIZABLE" if engine.dialect.name == "sqlite" else "READ COMMITTED"
    return engine.execution_options(isolation_level=level, **{_WRITES: True})


class SqliteReader:
    """Queries on a few threads with a connection each; connects when first used."""

    def __init__(self, location: Location) -> None:
        self._timeout_s = location.timeout_s
        # Each thread keeps its connection: to take one from a pool costs as much as a query.
        self._of_thread = threading.local()
        self._connections: set[Connection] = set()
        self._compiled: dict[Select[Any], tuple[str, Sequence[str]]] = {}
        self._threads = ThreadPoolExecutor(SQLITE_POOL_MAX, thread_name_prefix=f"read-{location.context}")
        self._engine = sqlalchemy_engine(
            URL.create("sqlite", database=str(location.path)),
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
            poolclass=NullPool,  # a thread keeps the connection it has made
            hide_parameters=True,
            connect_args={"timeout": location.timeout_s},
        )

        @event.listens_for(self._engine, "connect")
        def _prepare(dbapi: Any, _record: object) -> None:
            dbapi.text_factory = _text
            for pragma in sqlite_pragmas(location.timeout_s):
                dbapi.execute(pragma)

    async def rows(self, query: Select[Any]) -> Sequence[Any]:
        """All rows of a query. Raises the driver's error, or TimeoutError."""
        return await self._on_a_thread(_rows, query)

    async def lookup(self, query: Select[Any], values: Mapping[str, Any]) -> Sequence[tuple[Any, ...]]:
        """As `rows`, of a query that is a constant: it is compiled once, and the driver does the rest. Its columns must
        need no conversion."""
        return await self._on_a_thread(_lookup, *self._constant(query, values))

    async def lookups(
        self, query: Select[Any], values: Mapping[str, Any], other: SqliteReader, theirs: tuple[Select[Any], Any]
    ) -> tuple[Sequence[tuple[Any, ...]], Sequence[tuple[Any, ...]]]:
        """A `lookup` here and then one of `other`, query and values, in one hop to a thread of this reader: another hop
        costs as much as a query. `other` may be closed only after this one."""
        there = other._constant(*theirs)

        def both(connection: Connection, sql: str, values: Sequence[object]) -> Sequence[Any]:
            return _lookup(connection, sql, values), other._read(_lookup, *there)

        here, beside = await self._on_a_thread(both, *self._constant(query, values))
        return here, beside

    async def aclose(self) -> None:
        """Let what runs end, then close the connections."""
        await asyncio.to_thread(self._threads.shutdown)
        for connection in self._connections:
            connection.close()
        self._engine.dispose()

    def _constant(self, query: Select[Any], values: Mapping[str, Any]) -> tuple[str, list[Any]]:
        """The text of a query, compiled once, and its values in their order."""
        if query not in self._compiled:
            compiled = query.compile(dialect=self._engine.dialect)
            self._compiled[query] = (str(compiled), compiled.positiontup or ())
        sql, names = self._compiled[query]
        return sql, [values[name] for name in names]

    async def _on_a_thread(self, read: Callable[..., Sequence[Any]], *args: object) -> Sequence[Any]:
        async with asyncio.timeout(self._timeout_s):
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, read, *args)

    def _read(self, read: Callable[..., Sequence[Any]], *args: object) -> Sequence[Any]:
        connection: Connection | None = getattr(self._of_thread, "connection", None)
        if connection is None:
            connection = self._of_thread.connection = self._engine.connect()
            self._connections.add(connection)
        try:
            return read(connection, *args)
        except BaseException:
            self._of_thread.connection = None
            self._connections.discard(connection)
            connection.close()
            raise


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
        dbapi.driver_connection.text_factory = _text
        for pragma in (*sqlite_pragmas(location.timeout_s), *location.more_pragmas):
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        if connection.get_execution_options().get(_WRITES):
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _postgres(location: Location) -> AsyncEngine:
    async def connected() -> asyncpg.Connection[Any]:
        return await connect(location, application_name=f"{SESSION_PREFIX}{location.context}", jit="off")

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connected,
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        pool_size=location.pool_size,
        max_overflow=0,
        pool_timeout=location.timeout_s,
        pool_use_lifo=True,
        pool_pre_ping=True,
        hide_parameters=True,
    )


def _text(raw: bytes) -> str:
    """A stored text; what is damaged in it stands out. The driver would fail the whole query."""
    return raw.decode("utf-8", "replace")


def _rows(connection: Connection, query: Select[Any]) -> Sequence[Any]:
    return connection.execute(query).all()


def _lookup(connection: Connection, sql: str, values: Sequence[object]) -> Sequence[tuple[Any, ...]]:
    driver = connection.connection.driver_connection
    assert driver is not None
    found: Sequence[tuple[Any, ...]] = driver.execute(sql, values).fetchall()
    return found
