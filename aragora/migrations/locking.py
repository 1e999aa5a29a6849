"""One process migrates at a time: a lock on a file of the data directory, or an advisory lock of PostgreSQL.

Both are given back by the operating system or the server when their holder dies.
"""

from __future__ import annotations

import asyncio
import fcntl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aragora.config.settings import Settings
from aragora.errors import Unavailable
from aragora.storage.contexts import Context, Location
from aragora.storage.failures import translated

LOCK_FILE: Final = ".migrations.lock"
WAIT_S: Final = 120.0
LOOK_AGAIN_S: Final = 0.05
_ADVISORY_KEY: Final = 0x41524147  # "ARAG"


@asynccontextmanager
async def migrating_alone(settings: Settings) -> AsyncIterator[None]:
    """Hold the lock for the block. Raises Unavailable where another process keeps it for longer than two minutes."""
    if settings.database_url is None:
        async with _file_lock(settings):
            yield
    else:
        async with _advisory_lock(Location.of(settings, Context.CORE)):
            yield


@asynccontextmanager
async def _file_lock(settings: Settings) -> AsyncIterator[None]:
    path = settings.data_dir / LOCK_FILE
    with translated("locking the migrations"), path.open("w") as file:
        deadline = time.monotonic() + WAIT_S
        while not _taken(file.fileno()):
            if time.monotonic() > deadline:
                raise Unavailable(f"another process has been migrating for {WAIT_S:.0f} s (it holds {path})")
            await asyncio.sleep(LOOK_AGAIN_S)
        yield  # closing the file gives the lock back


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@asynccontextmanager
async def _advisory_lock(location: Location) -> AsyncIterator[None]:
    import asyncpg  # noqa: PLC0415 - only where PostgreSQL is used

    with translated("locking the migrations"):
        connection = await asyncpg.connect(location.dsn, timeout=location.timeout_s, command_timeout=WAIT_S)
        try:
            await connection.execute("SELECT pg_advisory_lock($1)", _ADVISORY_KEY)
            yield
        finally:
            await connection.close()
