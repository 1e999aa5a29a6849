"""What the outbox says of an attempt that is over: the topic, its payload, and the row. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aragora.control_plane.model import Attempt, How, Task, TaskState
from aragora.encoding import encode_text
from aragora.storage.outbox import OutboxRow

TOPIC: Final = "tasks"
"""Of outbox rows whose payload is a `TaskOutcome`; their `debate_id` is the task's id."""

RESULT_CHARS: Final = 1_000


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """An attempt at a task has ended, at `at` (seconds since the epoch). Stored as JSON in outbox rows: a field's name
    never changes. `state` is where the task is then; `result` is the beginning of its JSON."""

    task_id: str
    fence: int
    org_id: str
    workspace: str
    type: str
    capabilities: tuple[str, ...]
    agent_id: str
    how: How
    at: float
    latency_ms: float
    state: TaskState
    attempts: int
    cost_usd: float = 0.0
    error: str | None = None
    result: str | None = None
    created_by: str = ""  # the person who made the task


def outcome_row(attempt: Attempt, after: Task) -> OutboxRow:
    """The row of an attempt that left its task as `after`; the same attempt always has the same id."""
    outcome = TaskOutcome(
        task_id=attempt.task_id,
        fence=attempt.fence,
        org_id=attempt.org_id,
        workspace=attempt.workspace,
        type=attempt.type,
        capabilities=attempt.capabilities,
        agent_id=attempt.agent_id,
        how=attempt.how,
        at=attempt.at,
        latency_ms=attempt.latency_ms,
        state=after.state,
        attempts=after.attempts,
        cost_usd=attempt.cost_usd,
        error=attempt.error,
        result=after.result and after.result[:RESULT_CHARS],
        created_by=after.created_by,
    )
    row_id = f"{attempt.task_id}:{attempt.fence}:{TOPIC}"
    return OutboxRow(row_id, TOPIC, attempt.task_id, encode_text(outcome), attempt.at)
