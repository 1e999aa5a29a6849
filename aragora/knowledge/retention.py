"""The durable job over what the mound noted of tasks: numbers are kept as long as the attempts that they are of."""

from __future__ import annotations

from typing import Final

from aragora.background import Job
from aragora.clock import Clock
from aragora.knowledge.mound.adapters import task_outcomes
from aragora.knowledge.store.observations import forget_before
from aragora.storage.database import Database
from aragora.texts import counted

RETAINED_S: Final = 90 * 86_400.0
"""As `aragora.control_plane.store.tasks.ATTEMPTS_RETAINED_S`. Debates stay, and so does what was noted of them."""
EVERY_S: Final = 86_400.0


def forgetting_numbers(database: Database, clock: Clock) -> Job:
    """Deletes what was noted of attempts at tasks 90 days after their end, over the context `aragora_memory`."""

    async def run() -> str:
        total = 0
        while gone := await forget_before(database, task_outcomes.NAME, clock.now() - RETAINED_S):
            total += gone
        return f"forgot the numbers of {counted(total, 'attempt')} at tasks"

    return Job("forget numbers of tasks", EVERY_S, run)
