"""The writer of tasks: group commit (`aragora.storage.group_commit`) for all that changes one."""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

from aragora.control_plane.model import Task
from aragora.control_plane.store.units import Act, Claim, Submit, Submitted, Sweep, Unit
from aragora.control_plane.store.write_group import check, refusal
from aragora.storage.database import Database
from aragora.storage.group_commit import Bounds, GroupBackend, GroupCommit

MAX_PENDING: Final = 10_000
MAX_GROUP: Final = 200  # units: some 20 ms, what a claim waits for at most when a burst is before it


class TaskWriter:
    """Writes units, many in one transaction; each method returns when its unit is on disk. One writer a process;
    several processes may write to one store. Every method raises Unavailable: the store is away, nothing was written.

    `told`: each attempt that is over has a row in the outbox, in the same transaction. Only where the topic has a
    consumer: rows of one without stay for ever. Each end of a task that serves a workflow has a row whatever `told` is.
    """

    def __init__(self, database: Database, *, told: bool, max_pending: int = MAX_PENDING) -> None:
        backend = _backend(database, told=told)
        self._units = GroupCommit("the store of tasks", backend, refusal, Bounds(max_pending, MAX_GROUP))

    async def submit(self, unit: Submit) -> Submitted:
        """Write a new task, or find the one that the same request made first. Raises Conflict where its key was used
        for another request, RateLimited where too many tasks are open, InvalidInput."""
        return cast("Submitted", await self._submit(unit))

    async def claim(self, unit: Claim) -> Task | None:
        """Give out the most urgent task that fits; None where there is none. Raises NotFound for an agent that is not
        registered and does not say what it can do."""
        return cast("Task | None", await self._submit(unit))

    async def act(self, unit: Act) -> Task:
        """Apply a rule to a task. Raises NotFound, and what the rule raises."""
        return cast("Task", await self._submit(unit))

    async def sweep(self, unit: Sweep) -> int:
        """Do what time alone does to tasks; returns how many changed."""
        return cast("int", await self._submit(unit))

    async def aclose(self) -> None:
        """Write what was submitted, then close; later units get Unavailable."""
        await self._units.aclose()

    def _submit(self, unit: Unit) -> asyncio.Future[Any]:
        check(unit)
        return self._units.submit(unit)


def _backend(database: Database, *, told: bool) -> GroupBackend[Unit]:
    if database.is_sqlite:
        from aragora.control_plane.store.writer_sqlite import SqliteTasks  # noqa: PLC0415  only the driver that is used

        return SqliteTasks(database.location, told=told)
    from aragora.control_plane.store.writer_postgres import PostgresTasks  # noqa: PLC0415

    return PostgresTasks(database.location, told=told)
