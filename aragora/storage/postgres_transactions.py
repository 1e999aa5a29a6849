"""Transactions of one writer on PostgreSQL, below SQLAlchemy (docs/adr/0007), over one connection of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aragora.storage.contexts import SESSION_PREFIX, Location
from aragora.storage.failures import is_database_error, is_refused, is_transient, unavailable
from aragora.storage.postgres import connect

if TYPE_CHECKING:
    import asyncpg

IDLE_TIMEOUT_S: Final = 10.0  # a writer cut off in the middle of a transaction holds its locks no longer than this

T = TypeVar("T")


class PostgresTransactions:
    """Connects when first used, and anew after each failure.

    Args:
        name: of the session, and of what is written, for people: "journal".
        settings: further parameters of each session.
    """

    def __init__(self, location: Location, name: str, **settings: str) -> None:
        self._location = location
        self._name = name
        self._settings = settings
        self._connection: asyncpg.Connection[Any] | None = None

    async def run(self, write: Callable[[asyncpg.Connection[Any]], Awaitable[T]]) -> T:
        """One transaction around `write`, tried once more after a deadlock; returns its result when it is committed.

        Raises:
            Unavailable: the database is away, full or too slow. Nothing was written, unless the connection broke in the
                middle of the commit.
            Exception: what `write` raised, or the driver for a row that it refuses: nothing was written.
        """
        try:
            try:
                return await self._once(write)
            except Exception as error:
                if not is_transient(error):
                    raise
                return await self._once(write)
        except BaseException as error:
            self._disconnect()
            if is_refused(error) or not is_database_error(error):
                raise
            raise unavailable(f"writing the {self._name}", error) from error

    async def aclose(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close(timeout=self._location.timeout_s)

    async def _once(self, write: Callable[[asyncpg.Connection[Any]], Awaitable[T]]) -> T:
        connection = self._connection
        if connection is None or connection.is_closed():
            connection = self._connection = await self._connect()
        async with connection.transaction():
            return await write(connection)

    async def _connect(self) -> asyncpg.Connection[Any]:
        return await connect(
            self._location,
            command_timeout_s=None,
            application_name=f"{SESSION_PREFIX}{self._name}",
            lock_timeout=str(int(self._location.timeout_s * 1000)),
            idle_in_transaction_session_timeout=str(int(IDLE_TIMEOUT_S * 1000)),
            synchronous_commit="on",
            **self._settings,
        )

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


def columns_of(rows: Sequence[Sequence[object]]) -> list[list[object]]:
    """Rows as columns, the form in which arrays travel."""
    return [list(column) for column in zip(*rows, strict=True)]
