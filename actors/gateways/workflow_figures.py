"""The readings of executions for the metrics page, out of the store: every replica gives the same ones.

They are as old as `COUNTED_S`, but for what is overdue, which is asked for each page: it is one row of an index.
"""

from __future__ import annotations

from typing import Final

from aragora.clock import Clock
from aragora.observability.samples import CounterDelta
from aragora.storage.database import Database
from aragora.workflows.model import ExecutionStatus
from aragora.workflows.store.executions import ExecutionStore
from aragora.workflows.store.standing import ApprovalStanding

COUNTED_S: Final = 30.0
OPEN: Final = tuple(status for status in ExecutionStatus if not status.ended)


class WorkflowFigures:
    """Reads the context `workflows`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._executions = ExecutionStore(database)
        self._approvals = ApprovalStanding(database)
        self._clock = clock
        self._counted: list[CounterDelta] = []
        self._count_again_at = float("-inf")

    async def gauges(self) -> list[CounterDelta]:
        """Raises Unavailable where the store is away."""
        wall = self._clock.now()
        if self._clock.monotonic() >= self._count_again_at:
            self._counted = await self._count(wall)
            self._count_again_at = self._clock.monotonic() + COUNTED_S
        due = await self._executions.next_due()
        overdue_s = 0.0 if due is None else max(0.0, wall - due)
        return [*self._counted, _gauge("aragora_workflow_oldest_due_seconds", overdue_s)]

    async def _count(self, wall: float) -> list[CounterDelta]:
        counts = await self._executions.open_counts()
        pending = await self._approvals.pending()
        oldest_s = 0.0 if pending.oldest_at is None else max(0.0, wall - pending.oldest_at)
        return [
            *(
                _gauge("aragora_workflow_executions_open", float(counts.get(status, 0)), status=status.value)
                for status in OPEN
            ),
            _gauge("aragora_workflow_approvals_pending", float(pending.count)),
            _gauge("aragora_workflow_approvals_oldest_seconds", oldest_s),
        ]


def _gauge(name: str, reading: float, **labels: str) -> CounterDelta:
    return CounterDelta(name, tuple(sorted(labels.items())), reading)
