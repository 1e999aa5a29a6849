"""One context of the store: its SQLite file or its tables in PostgreSQL, for reading and for writing.

SQLite runs in WAL mode with synchronous=FULL: what was committed survives a power cut, and readers never wait
for the writer. A write takes the file's write lock at its beginning, so that it cannot fail half-way on a lock.
Every wait has a bound, `ARAGORA_DB_POOL_TIMEOUT`: for a free connection, for a lock, for PostgreSQL's answer.
SQLAlchemy is imported when the first statement runs: a process that only journals stays small.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aragora.config.settings import Settings
from aragora.storage.contexts import Context, Location
from aragora.storage.failures import translated, unavailable

if TYPE_CHECKING:
    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from aragora.storage.engines import SqliteReader


@dataclass(frozen=True, slots=True)
class Lookup:
    """A query of a context that is a constant, with the values of its parameters (`Database.lookups`)."""

    database: Database
    query: Select[Any]
    values: Mapping[str, Any]


class Database:
    """Connections to one context, opened when first needed. Belongs to one event loop."""

    def __init__(self, location: Location) -> None:
        self.location = location
        self._engines: tuple[AsyncEngine, AsyncEngine] | None = None
        self._reader: SqliteReader | None = None
        self._writes = asyncio.Lock()

    @classmethod
    def open(cls, settings: Settings, context: Context) -> Database:
        """The context as the settings place it; nothing is connected yet, and nothing created: see `migrations`."""
        return cls(Location.of(settings, context))

    @property
    def context(self) -> Context:
        return self.location.context

    @property
    def is_sqlite(self) -> bool:
        return self.location.path is not None

    @property
    def engine(self) -> AsyncEngine:
        """The engine itself, for migrations: in autocommit unless a transaction is begun."""
        return self._connections()[0]

    @asynccontextmanager
    async def reading(self, what: str = "reading the store") -> AsyncIterator[AsyncConnection]:
        """A connection on which each statement stands alone.

        Raises Unavailable where the database is away; its text says `what` failed.
        """
        with translated(what):
            async with self._connections()[0].connect() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self, what: str = "writing the store") -> AsyncIterator[AsyncConnection]:
        """One transaction: committed at the end of the block, rolled back by an exception.

        Raises Unavailable where the database is away, full or locked for longer than its timeout.
        """
        with translated(what):
            async with self._turn(what), self._connections()[1].begin() as connection:
                yield connection

    @asynccontextmanager
    async def _turn(self, what: str) -> AsyncIterator[None]:
        """The writers of a SQLite file in this process take turns, in the order in which they came: those that wait for
        its own lock look again after pauses that grow, and whoever looks at the right moment goes first."""
        if not self.is_sqlite:
            yield
            return
        try:
            async with asyncio.timeout(self.location.timeout_s):
                await self._writes.acquire()
        except TimeoutError:
            raise unavailable(what, sqlite3.OperationalError("database is locked")) from None
        try:
            yield
        finally:
            self._writes.release()

    async def rows(self, query: Select[Any], what: str = "reading the store") -> Sequence[Any]:
        """All rows of one query: the cheapest way to read. Raises Unavailable where the database is away."""
        if not self.is_sqlite:
            async with self.reading(what) as connection:
                found: Sequence[Any] = (await connection.execute(query)).all()
                return found
        with translated(what):
            return await self.sqlite_reader().rows(query)

    async def lookup(
        self, query: Select[Any], values: Mapping[str, Any], what: str = "reading the store"
    ) -> Sequence[Sequence[Any]]:
        """All rows of a query that is a constant, with the `values` of its parameters: what every request reads. Raises
        Unavailable where the database is away."""
        if not self.is_sqlite:
            async with self.reading(what) as connection:
                found: Sequence[Sequence[Any]] = (await connection.execute(query, values)).all()
                return found
        with translated(what):
            return await self.sqlite_reader().lookup(query, values)

    async def lookups(
        self, query: Select[Any], values: Mapping[str, Any], other: Lookup, what: str = "reading the store"
    ) -> tuple[Sequence[Sequence[Any]], Sequence[Sequence[Any]]]:
        """A `lookup` here, and one of another context, which is closed after this one. SQLite files are read one after
        the other in one hop to a thread, PostgreSQL at the same time. Raises Unavailable where either is away."""
        if not (self.is_sqlite and other.database.is_sqlite):
            theirs = other.database.lookup(other.query, other.values, what)
            here, there = await asyncio.gather(self.lookup(query, values, what), theirs)
            return here, there
        with translated(what):
            reader = other.database.sqlite_reader()
            return await self.sqlite_reader().lookups(query, values, reader, (other.query, other.values))

    async def aclose(self) -> None:
        """Close all connections; the next use opens new ones."""
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.aclose()
        engines, self._engines = self._engines, None
        if engines is not None:
            await engines[0].dispose()

    def sqlite_reader(self) -> SqliteReader:
        """What reads the file of a SQLite context."""
        if self._reader is None:
            from aragora.storage.engines import SqliteReader  # noqa: PLC0415  see the module's docstring

            self._reader = SqliteReader(self.location)
        return self._reader

    def _connections(self) -> tuple[AsyncEngine, AsyncEngine]:
        """The engine for single statements, and the same connections for transactions."""
        if self._engines is None:
            from aragora.storage.engines import create_engine, transactions  # noqa: PLC0415  see the module's docstring

            engine = create_engine(self.location)
            self._engines = (engine, transactions(engine))
        return self._engines
