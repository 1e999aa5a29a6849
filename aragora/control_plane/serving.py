"""Tasks that serve a step of a workflow: what the outbox says of their ends, how they are cancelled, what came of them.

A task serves an ask of an execution (`Task.serves`, EXECUTION/ASK). Each of its ends has a row, in the transaction that
ends it: completed, failed, a dead letter, past its deadline, cancelled. A person's retry leads out of some ends, and
the next one has a row of its own. The rules and the row are pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aragora.control_plane import machine
from aragora.control_plane.machine import Step
from aragora.control_plane.model import Task, TaskState
from aragora.encoding import encode_text
from aragora.errors import NotFound
from aragora.storage.outbox import OutboxRow

SERVED_TASKS: Final = "workflow_tasks"
"""The outbox topic whose payload is a `ServedTask`; the `debate_id` of its rows is the task's id."""


@dataclass(frozen=True, slots=True)
class ServedTask:
    """A task that serves an ask of an execution has ended. Stored as JSON in outbox rows: a field's name never
    changes. What it ended with is read then (`aragora.control_plane.store.tasks.TaskStore.standings`)."""

    task_id: str
    execution_id: str
    ask_id: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a task stands, for the step that it serves. A task that a person retries has not ended any more: its next
    end is told again. `result` is JSON; `cost_usd` is of all attempts."""

    state: TaskState
    result: str | None
    error: str | None
    agent_id: str | None
    cost_usd: float


def serves(execution_id: str, ask_id: str) -> str:
    """What `NewTask.serves` is for an ask of an execution."""
    return f"{execution_id}/{ask_id}"


def served_rows(before: Task, after: Task) -> tuple[OutboxRow, ...]:
    """The row of an end; none where the task did not end with this step, or serves nobody.

    Two ends may follow one claim: its last attempt failed, a person retried, and the deadline passed before anybody
    claimed it again. So the id has the claim, the end and its time; the same end always has the same id.
    """
    if not after.serves or before.state.ended or after.ended_at is None:
        return ()
    execution_id, _, ask_id = after.serves.partition("/")
    row_id = f"{after.task_id}:{SERVED_TASKS}:{after.fence}:{after.state}:{after.ended_at!r}"
    payload = encode_text(ServedTask(after.task_id, execution_id, ask_id))
    return (OutboxRow(row_id, SERVED_TASKS, after.task_id, payload, after.ended_at),)


def cancel_for(task: Task, execution_id: str, now: float) -> Step:
    """An execution does not wait for the task any more: see `machine.cancel`. Raises NotFound where the task does not
    serve this execution, Conflict where it has ended otherwise."""
    if task.serves.partition("/")[0] != execution_id:
        raise NotFound("The execution has no such task.")
    return machine.cancel(task, now)
