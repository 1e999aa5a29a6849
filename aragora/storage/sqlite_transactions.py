"""Transactions of one writer on a SQLite file, below SQLAlchemy (docs/adr/0007): one hop to a thread of its own for
each, and the driver's prepared statements."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from aragora.storage.contexts import Location, sqlite_pragmas
from aragora.storage.failures import is_database_error, is_refused, unavailable

CHECKPOINT_PAGES: Final = 2000  # 8 MB of WAL between two checkpoints

T = TypeVar("T")


class SqliteTransactions:
    """Connects when first used, and anew after each failure.

    Args:
        name: of the thread, and of what is written, for people: "journal".
        pragmas: more of them, for each connection.
    """

    def __init__(self, location: Location, name: str, pragmas: tuple[str, ...] = ()) -> None:
        self._location = location
        self._name = name
        self._pragmas = pragmas
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._connection: sqlite3.Connection | None = None

    async def run(self, write: Callable[[sqlite3.Connection], T]) -> T:
        """One transaction around `write`, which runs on the thread; returns its result when that is on disk.

        Raises:
            Unavailable: disk full, I/O error or locked for too long: nothing was written.
            Exception: what `write` raised, or the driver for a row that it refuses: nothing was written.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, write)

    async def aclose(self) -> None:
        """Let what runs end, then close the connection."""
        if self._connection is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
        self._thread.shutdown()

    def _run(self, write: Callable[[sqlite3.Connection], T]) -> T:
        try:
            connection = self._connection or self._connect()
            connection.execute("BEGIN IMMEDIATE")
            result = write(connection)
            connection.execute("COMMIT")
        except BaseException as error:
            self._disconnect()  # rolls back; the next one starts on a fresh connection
            if is_refused(error) or not is_database_error(error):
                raise
            raise unavailable(f"writing the {self._name}", error) from error
        return result

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(str(self._location.path), timeout=self._location.timeout_s, isolation_level=None)
        self._connection = connection
        checkpoints = f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}"
        for pragma in (*sqlite_pragmas(self._location.timeout_s), checkpoints, *self._pragmas):
            connection.execute(pragma)
        return connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
