"""Attempts at tasks that are over, as the control plane tells of them in the outbox."""

from __future__ import annotations

from typing import Any

from aragora.control_plane import machine
from aragora.control_plane.model import Attempt, Holding, How, NewTask, Task
from aragora.control_plane.outcomes import outcome_row
from aragora.storage.outbox import OutboxRow

AT = 1_700_000_000.0
ERROR = "the model refused the diff"


def attempt(number: int = 1, **changed: Any) -> Attempt:
    """An attempt at task `number` that failed in the workspace `default` of `acme`, unless `changed` says otherwise."""
    made: dict[str, Any] = {
        "task_id": f"tsk_{number}",
        "fence": 1,
        "org_id": "acme",
        "workspace": "default",
        "type": "review",
        "capabilities": ("python",),
        "agent_id": "ada",
        "how": How.FAILED,
        "at": AT + number,
        "latency_ms": 1_200.0,
        "cost_usd": 0.25,
        "error": ERROR,
    }
    if changed.get("how") in (How.COMPLETED, How.CANCELLED):
        made["error"] = None
    return Attempt(**made | changed)


def told(one: Attempt, *, by: str = "usr_9") -> OutboxRow:
    """The row that tells of it; `by` made the task."""
    return outcome_row(one, _task(one, by))


def row(number: int = 1, *, by: str = "usr_9", **changed: Any) -> OutboxRow:
    """The row that tells of `attempt`."""
    return told(attempt(number, **changed), by=by)


def _task(one: Attempt, by: str) -> Task:
    new = NewTask(one.type, capabilities=one.capabilities, org_id=one.org_id, workspace=one.workspace, created_by=by)
    claimed = machine.claim(machine.submit(new, one.task_id, one.at), one.agent_id, one.capabilities, 60.0, one.at)
    return machine.fail(claimed.task, Holding(one.agent_id), "whatever", one.at).task
