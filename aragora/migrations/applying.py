"""Applying migrations. Alembic is imported only where there is something to do.

One process migrates at a time. It holds a lock on a file of the data directory, or an advisory lock of PostgreSQL;
the operating system or the server gives it back when its holder dies.
"""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from aragora.background import wait_until
from aragora.config.settings import Settings
from aragora.errors import Misconfigured, Unavailable
from aragora.migrations.history import VERSIONS, Revision, revisions, standing, version_table
from aragora.storage.contexts import Context, Location
from aragora.storage.database import Database
from aragora.storage.diagnosis import diagnosed
from aragora.storage.lock_files import open_lock_file
from aragora.storage.postgres import connect

if TYPE_CHECKING:
    from sqlalchemy import Connection

LOCK_FILE: Final = ".migrations.lock"
WAIT_S: Final = 120.0
LOOK_AGAIN_S: Final = 0.05
_ADVISORY_KEY: Final = 0x41524147  # "ARAG"


def apply_all(settings: Settings) -> tuple[Revision, ...]:
    """Apply what is pending and return it, in order; safe to call from several processes at once.

    The revisions of one context are applied in one transaction: all or none. Runs an event loop of its own: where one
    runs already, await `apply_pending`.

    Raises:
        Misconfigured: the data directory cannot be made, a database must be mended by a person (wrong password, no
            rights, damaged file), or is of a newer generation than this program.
        Unavailable: a database cannot be used for now, or another process migrates for too long.
    """
    return asyncio.run(apply_pending(settings))


async def apply_pending(settings: Settings) -> tuple[Revision, ...]:
    """`apply_all` within an event loop."""
    make_data_dir(settings)
    if not (await standing(settings)).pending:
        return ()
    async with migrating_alone(settings):
        pending = (await standing(settings)).pending
        for context in Context:
            if any(revision.context is context for revision in pending):
                await migrate(settings, context, revisions(context)[-1].number)
    return pending


async def migrate(settings: Settings, context: Context, target: str | None) -> None:
    """Bring one context to the revision `target`, up or down; None undoes everything. Raises as `apply_all`."""
    from aragora.storage.engines import transactions  # noqa: PLC0415  loads SQLAlchemy

    location = Location.of(settings, context).unhurried()
    database = Database(location)
    try:
        with diagnosed(location):
            async with transactions(database.engine).begin() as connection:
                await connection.run_sync(run_revisions, context, target)
    finally:
        await database.aclose()


def run_revisions(connection: Connection, context: Context, target: str | None) -> None:
    """Run the migrations between the context's revision and `target` on a connection in a transaction."""
    from alembic.config import Config  # noqa: PLC0415
    from alembic.runtime.environment import EnvironmentContext  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    script = ScriptDirectory(str(VERSIONS.parent), version_locations=[str(VERSIONS / context)])

    def steps(current: object, _context: object) -> list[object]:
        numbers = current if isinstance(current, tuple) else (current,)
        here = next((str(number) for number in numbers if number), None)
        if target is not None and (here is None or here <= target):
            return list(script._upgrade_revs(target, str(here or "base")))  # noqa: SLF001  as alembic.command does
        return list(script._downgrade_revs(target or "base", here))  # noqa: SLF001

    with EnvironmentContext(Config(), script, fn=steps) as environment:
        environment.configure(connection=connection, version_table=version_table(context), transactional_ddl=True)
        environment.run_migrations()


def make_data_dir(settings: Settings) -> None:
    """Raises Misconfigured where it cannot be made."""
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(
            f"ARAGORA_DATA_DIR: cannot make {settings.data_dir} ({error.strerror}): name a directory that can be written"
        ) from error


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
    with open_lock_file(path) as file:

        async def taken() -> bool:
            return _taken(file.fileno())

        if not await wait_until(taken, limit_s=WAIT_S, every_s=LOOK_AGAIN_S):
            raise Unavailable(f"another process has been migrating for {WAIT_S:.0f} s (it holds {path})")
        yield  # closing the file gives the lock back


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@asynccontextmanager
async def _advisory_lock(location: Location) -> AsyncIterator[None]:
    with diagnosed(location):
        connection = await connect(location, command_timeout_s=WAIT_S)
        try:
            try:
                await connection.execute("SELECT pg_advisory_lock($1)", _ADVISORY_KEY)
            except TimeoutError:
                raise Unavailable(
                    f"another process has been migrating for {WAIT_S:.0f} s (it holds the advisory lock {_ADVISORY_KEY} "
                    f"at {location.server}): wait for its end, then try again"
                ) from None
            yield
        finally:
            await connection.close()
