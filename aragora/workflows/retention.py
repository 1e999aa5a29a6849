"""How long executions are kept that have ended: an hourly job deletes what is older, in small steps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from aragora.background import Job
from aragora.clock import Clock
from aragora.storage.database import Database
from aragora.workflows.store.purging import Drop, ExecutionPurge

EVERY_S: Final = 3_600.0


def retaining_executions(database: Database, kept_s: float, clock: Clock, drop: Drop | None = None) -> Job:
    """The job over the store of executions. `drop`: see `ExecutionPurge`."""
    purge = ExecutionPurge(database, clock, drop)

    async def run() -> str:
        await _all_of(purge.clear)  # what a run before this one left
        deleted = await _all_of(partial(_taken_and_cleared, purge, clock.now() - kept_s))
        return f"deleted {deleted} executions"

    return Job("retention of executions", EVERY_S, run)


async def _taken_and_cleared(purge: ExecutionPurge, before: float) -> int:
    taken = await purge.take(before)
    await _all_of(purge.clear)
    return taken


async def _all_of(step: Callable[[], Awaitable[int]]) -> int:
    """Step until nothing is left; returns how many it was about. Raises Unavailable: the next run goes on."""
    total = 0
    while number := await step():
        total += number
    return total
