"""Whether a server works on a store: what rewrites a store asks first, and keeps a server from starting meanwhile.

On SQLite a server holds a lock on `run/server.lock` of the data directory. PostgreSQL knows its sessions by the name
that Aragora's connections give themselves; there a server that starts in the middle is seen only by the next look.
"""

from __future__ import annotations

import fcntl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from aragora.config.settings import Settings
from aragora.errors import Conflict
from aragora.storage.contexts import SESSION_PREFIX, Context, Location
from aragora.storage.diagnosis import diagnosed

LOCK_FILE: Final = Path("run") / "server.lock"
CONNECT_TIMEOUT_S: Final = 10.0


@asynccontextmanager
async def without_server(settings: Settings) -> AsyncIterator[None]:
    """For the block no server works on the store. Raises Conflict where one does, and as `diagnosed`."""
    if settings.database_url is not None:
        await _no_sessions(Location.of(settings, Context.CORE))
        yield
        return
    path = settings.data_dir / LOCK_FILE
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise Conflict(
                f"a server (process {lock.read().strip() or 'unknown'}) works on {settings.data_dir.absolute()}: "
                "stop it first"
            ) from None
        yield  # closing the file gives the lock back


async def _no_sessions(location: Location) -> None:
    import asyncpg  # noqa: PLC0415 - only where PostgreSQL is used

    with diagnosed(location):
        connection = await asyncpg.connect(location.dsn, timeout=CONNECT_TIMEOUT_S, command_timeout=location.timeout_s)
        try:
            sessions = await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
                "AND application_name LIKE $1",
                f"{SESSION_PREFIX}%",
            )
        finally:
            await connection.close()
    if sessions:
        raise Conflict(f"a server works on this store ({location}; {sessions} sessions): stop it first")
