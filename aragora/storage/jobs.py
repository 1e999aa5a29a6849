"""Durable jobs as stored: one row each, owned by the scheduler that started last."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, fields
from typing import Final

from sqlalchemy import BigInteger, Column, Double, Integer, Table, Text, delete, select, update

from aragora.errors import Fenced
from aragora.scheduling import JobState
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.tables import METADATA, insert_into

scheduled_jobs = Table(
    "scheduled_jobs",
    METADATA[Context.CORE],
    Column("name", Text, primary_key=True),
    Column("epoch", BigInteger, nullable=False),  # the same in every row: of the scheduler that owns the table
    Column("next_run", Double, nullable=False),
    Column("started_at", Double),
    Column("last_run", Double),
    Column("runs", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("last_error", Text),
    Column("last_result", Text),
)

_COLUMNS: Final = tuple(scheduled_jobs.c[field.name] for field in fields(JobState))


class JobStore:
    """Kept in the context `core`. Every method raises Unavailable where the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, names: Collection[str], now: float) -> tuple[int, list[JobState]]:
        """Become the owner of the jobs `names`: a new epoch, higher than any before, and what is remembered of them.
        A job that was not there is due at `now`; one that is no longer named is forgotten."""
        new = [asdict(JobState(name, next_run=now)) | {"epoch": 0} for name in sorted(names)]
        async with self._database.writing("taking the scheduled jobs") as connection:
            await connection.execute(delete(scheduled_jobs).where(scheduled_jobs.c.name.not_in(names)))
            if not new:
                return 0, []
            await connection.execute(insert_into(self._database, scheduled_jobs).on_conflict_do_nothing(), new)
            # Locked in one order: of two schedulers that start at once, the second sees the first one's epoch.
            query = select(scheduled_jobs.c.epoch, *_COLUMNS).order_by(scheduled_jobs.c.name).with_for_update()
            rows = (await connection.execute(query)).all()
            epoch = 1 + max(row.epoch for row in rows)
            await connection.execute(update(scheduled_jobs).values(epoch=epoch))
        return epoch, [JobState(*row[1:]) for row in rows]

    async def save(self, state: JobState, epoch: int) -> None:
        """Remember a job. Raises Fenced where another scheduler has taken the jobs since `epoch`."""
        change = update(scheduled_jobs).where(scheduled_jobs.c.name == state.name, scheduled_jobs.c.epoch == epoch)
        async with self._database.writing("saving a scheduled job") as connection:
            saved = await connection.execute(change.values(**asdict(state)))
            if saved.rowcount == 0:
                raise Fenced(f"another scheduler owns the job {state.name!r}: this one, of epoch {epoch}, must stop")
