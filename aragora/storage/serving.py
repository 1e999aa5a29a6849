"""Whether a server works on a store: what rewrites a store asks first, and keeps a server from starting meanwhile.

On SQLite a server holds a lock on `run/server.lock` of the data directory. PostgreSQL knows its sessions by the name
that Aragora's connections give themselves; there a server that starts in the middle is seen only by the next look.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from aragora.config.settings import Settings
from aragora.errors import Conflict
from aragora.storage.contexts import SESSION_PREFIX, Context, Location
from aragora.storage.diagnosis import diagnosed
from aragora.storage.lock_files import open_lock_file
from aragora.storage.postgres import connect
from aragora.texts import counted

LOCK_FILE: Final = Path("run") / "server.lock"


@asynccontextmanager
async def without_server(settings: Settings) -> AsyncIterator[None]:
    """For the block no server works on the store. Raises Conflict where one does, and as `diagnosed`."""
    if settings.database_url is not None:
        await _no_sessions(Location.of(settings, Context.CORE))
        yield
        return
    with held(settings.data_dir / LOCK_FILE) as holder:
        if holder is not None:
            raise Conflict(f"a server (process {holder}) works on {settings.data_dir.absolute()}: stop it first")
        yield


@asynccontextmanager
async def server_not_seen(settings: Settings) -> AsyncIterator[None]:
    """As `without_server`, for what changes nothing: no file is made, so a first server may start in the middle."""
    if settings.database_url is None and not (settings.data_dir / LOCK_FILE).exists():
        yield
        return
    async with without_server(settings):
        yield


@contextmanager
def held(path: Path) -> Iterator[str | None]:
    """Hold the lock file for the block, with this process's id in it, which goes with the lock: whoever reads an id
    there finds a process that holds it, unless that was killed.

    Yields None, or the process id of another holder (or "unknown"); then the lock is not held. Raises Misconfigured
    where the file cannot be opened.
    """
    with open_lock_file(path) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            yield lock.read().strip() or "unknown"
            return
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        try:
            yield None
        finally:
            lock.truncate(0)


async def _no_sessions(location: Location) -> None:
    with diagnosed(location):
        connection = await connect(location)
        try:
            sessions = await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
                "AND application_name LIKE $1",
                f"{SESSION_PREFIX}%",
            )
        finally:
            await connection.close()
    if sessions:
        raise Conflict(f"a server works on this store ({location}; {counted(sessions, 'session')}): stop it first")
