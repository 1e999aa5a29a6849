"""Tasks, attempts and agents as rows, and back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from aragora.control_plane.model import PRIORITY_MAX, Agent, Attempt, How, Task, TaskState
from aragora.encoding import decode_as, encode_text

TASK: Final = (
    "task_id",
    "org_id",
    "workspace",
    "type",
    "payload",
    "capabilities",
    "urgency",
    "deadline",
    "attempts_max",
    "created_by",
    "created_at",
    "updated_at",
    "state",
    "due_at",
    "attempts",
    "fence",
    "agent_id",
    "claimed_at",
    "lease_until",
    "ended_at",
    "result",
    "error",
    "latency_ms",
    "cost_usd",
    "serves",
)
"""The columns that a task is read from, in the order of its fields."""

BESIDES: Final = ("idempotency_key", "request_hash")
"""The columns of a new task that are not in it."""

CHANGED: Final = (
    "deadline",
    "updated_at",
    "state",
    "due_at",
    "attempts",
    "fence",
    "agent_id",
    "claimed_at",
    "lease_until",
    "ended_at",
    "result",
    "error",
    "latency_ms",
    "cost_usd",
)
"""The columns that a step may change."""

ATTEMPT: Final = (
    "task_id",
    "fence",
    "org_id",
    "workspace",
    "type",
    "capabilities",
    "agent_id",
    "how",
    "at",
    "latency_ms",
    "cost_usd",
    "error",
)
AGENT: Final = ("org_id", "workspace", "agent_id", "capabilities", "registered_by", "registered_at", "updated_at")


@lru_cache(maxsize=1_024)
def text_of(capabilities: tuple[str, ...]) -> str:
    """Capabilities as their column has them."""
    return encode_text(capabilities)


@lru_cache(maxsize=1_024)
def capabilities_of(text: str) -> tuple[str, ...]:
    """The capabilities of a column."""
    return decode_as(text, tuple[str, ...])


def values_of_task(task: Task) -> tuple[Any, ...]:
    """The values of the columns `TASK`."""
    return (
        task.task_id,
        task.org_id,
        task.workspace,
        task.type,
        task.payload,
        text_of(task.capabilities),
        PRIORITY_MAX - task.priority,
        task.deadline,
        task.attempts_max,
        task.created_by,
        task.created_at,
        task.updated_at,
        task.state.value,
        task.due_at,
        task.attempts,
        task.fence,
        task.agent_id,
        task.claimed_at,
        task.lease_until,
        task.ended_at,
        task.result,
        task.error,
        task.latency_ms,
        task.cost_usd,
        task.serves,
    )


def changed_of(task: Task) -> tuple[Any, ...]:
    """The values of the columns `CHANGED`."""
    return (
        task.deadline,
        task.updated_at,
        task.state.value,
        task.due_at,
        task.attempts,
        task.fence,
        task.agent_id,
        task.claimed_at,
        task.lease_until,
        task.ended_at,
        task.result,
        task.error,
        task.latency_ms,
        task.cost_usd,
    )


def task_of(row: Sequence[Any]) -> Task:
    """The task of a row with the columns `TASK`; further columns are left alone."""
    values = [*row[: len(TASK)]]
    values[5:7] = capabilities_of(row[5]), PRIORITY_MAX - row[6]
    values[12] = TaskState(row[12])
    return Task(*values)


def values_of_attempt(attempt: Attempt) -> tuple[Any, ...]:
    """The values of the columns `ATTEMPT`."""
    return (
        attempt.task_id,
        attempt.fence,
        attempt.org_id,
        attempt.workspace,
        attempt.type,
        text_of(attempt.capabilities),
        attempt.agent_id,
        attempt.how.value,
        attempt.at,
        attempt.latency_ms,
        attempt.cost_usd,
        attempt.error,
    )


def attempt_of(row: Sequence[Any]) -> Attempt:
    """The attempt of a row with the columns `ATTEMPT`."""
    values = [*row]
    values[5], values[7] = capabilities_of(row[5]), How(row[7])
    return Attempt(*values)


def agent_of(row: Sequence[Any]) -> Agent:
    """The agent of a row with the columns `AGENT`."""
    values = [*row]
    values[3] = capabilities_of(row[3])
    return Agent(*values)
