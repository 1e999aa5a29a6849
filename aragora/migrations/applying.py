"""Applying and undoing migrations. Alembic is imported only where there is something to do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aragora.config.settings import Settings
from aragora.errors import Misconfigured
from aragora.migrations.history import VERSIONS, Revision, revisions, standing, version_table
from aragora.migrations.locking import migrating_alone
from aragora.storage.contexts import Context
from aragora.storage.database import Database

if TYPE_CHECKING:
    from sqlalchemy import Connection


def apply_all(settings: Settings) -> tuple[Revision, ...]:
    """Apply what is pending and return it, in order; safe to call from several processes at once.

    The revisions of one context are applied in one transaction: all or none. Runs an event loop of its own: where one
    runs already, await `apply_pending`.

    Raises:
        Misconfigured: the data directory cannot be made, or a database is newer than this program.
        Unavailable: a database cannot be used, or another process migrates for too long.
    """
    return asyncio.run(apply_pending(settings))


async def apply_pending(settings: Settings) -> tuple[Revision, ...]:
    """`apply_all` within an event loop."""
    _make_data_dir(settings)
    if not (await standing(settings)).pending:
        return ()
    async with migrating_alone(settings):
        pending = (await standing(settings)).pending
        for context in Context:
            if any(revision.context is context for revision in pending):
                await _migrate(settings, context, revisions(context)[-1].number)
    return pending


async def rollback_last(settings: Settings) -> Revision | None:
    """Undo the newest applied revision and return it; None where none is applied. Raises as `apply_all`."""
    _make_data_dir(settings)
    async with migrating_alone(settings):
        applied = (await standing(settings)).applied
        if not applied:
            return None
        last = applied[-1]
        before = [revision.number for revision in applied if revision.context is last.context][:-1]
        await _migrate(settings, last.context, before[-1] if before else None)
    return last


async def _migrate(settings: Settings, context: Context, target: str | None) -> None:
    """Bring one context to the revision `target`, up or down; None undoes everything."""
    database = Database.open(settings, context)
    try:
        async with database.writing(f"migrating the store {context}") as connection:
            await connection.run_sync(_run, context, target)
    finally:
        await database.aclose()


def _run(connection: Connection, context: Context, target: str | None) -> None:
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


def _make_data_dir(settings: Settings) -> None:
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(
            f"ARAGORA_DATA_DIR: cannot make {settings.data_dir} ({error.strerror}): name a directory that can be written"
        ) from error
