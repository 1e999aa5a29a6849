"""The durable jobs of the control plane: what time does to tasks, and tasks whose time is over."""

from __future__ import annotations

from typing import Final

from aragora.background import Job
from aragora.clock import Clock
from aragora.control_plane.store.tasks import TaskStore
from aragora.control_plane.store.writer import TaskWriter
from aragora.control_plane.tasking import Tasks
from aragora.storage.database import Database
from aragora.texts import counted

SWEEP_S: Final = 60.0
"""A lease that ran out is noticed by the next claim in its workspace, and at the latest after so long."""
FORGET_S: Final = 3_600.0


def sweeping_tasks(database: Database, clock: Clock, *, told: bool) -> Job:
    """Ends attempts whose leases ran out and tasks whose deadlines passed, over the context `debates`; `told`: as for
    `TaskWriter`."""

    async def run() -> str:
        writer = TaskWriter(database, told=told)
        try:
            changed = await Tasks(writer, clock).sweep()
        finally:
            await writer.aclose()
        return f"{counted(changed, 'task')} whose lease or deadline was over"

    return Job("leases and deadlines of tasks", SWEEP_S, run)


def forgetting_tasks(database: Database, clock: Clock) -> Job:
    """Deletes tasks 30 days after their end, and attempts after 90, over the context `debates`."""
    store = TaskStore(database)

    async def run() -> str:
        total = 0
        while gone := await store.forget(clock.now()):
            total += gone
        return f"forgot {counted(total, 'row')} of tasks and attempts"

    return Job("forget ended tasks", FORGET_S, run)
