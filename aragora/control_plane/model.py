"""What the control plane knows: tasks, who holds them, what came of each attempt, and the agents that take them. Pure.

Times are seconds since the epoch; payloads and results are JSON texts.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aragora.errors import InvalidInput
from aragora.scope import DEFAULT_WORKSPACE

TYPE_MAX_CHARS: Final = 128
PAYLOAD_MAX_BYTES: Final = 65_536  # of a payload, and of a result, as JSON in UTF-8
JSON_DEPTH_MAX: Final = 16  # how deep a payload or a result nests
ERROR_MAX_CHARS: Final = 2_000
CAPABILITIES_MAX: Final = 32  # that one task wants, or one agent has
CAPABILITY_MAX_CHARS: Final = 64
PRIORITY_MAX: Final = 9
PRIORITY: Final = 5
ATTEMPTS_MAX: Final = 20
ATTEMPTS: Final = 3
LEASE_MIN_S: Final = 1.0
LEASE_MAX_S: Final = 3_600.0
LEASE_S: Final = 60.0
OPEN_MAX: Final = 10_000
"""Tasks of one organisation that have not ended."""
AGENTS_MAX: Final = 1_000
"""Agents that are registered in one organisation."""


class TaskState(StrEnum):
    """Where a task is. The last four are ends; only a person's retry leads out of `failed` and `dead_lettered`."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    COMPLETED = "completed"
    FAILED = "failed"  # its agent said that trying again is of no use
    DEAD_LETTERED = "dead_lettered"  # its attempts are used up, or its deadline has passed
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self not in (TaskState.QUEUED, TaskState.CLAIMED)


class How(StrEnum):
    """How one attempt ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    LAPSED = "lapsed"  # the lease ran out: nothing more was heard of the agent
    CANCELLED = "cancelled"  # the task was taken away from the agent


@dataclass(frozen=True, slots=True)
class NewTask:
    """What is to be done. `capabilities` are sorted and each there once (`checked_capabilities`); `priority` 9 goes
    first; `attempts_max` bounds how often it is claimed before it is a dead letter; `serves` as in `Task`."""

    type: str
    payload: str = "{}"
    capabilities: tuple[str, ...] = ()
    priority: int = PRIORITY
    deadline: float | None = None
    attempts_max: int = ATTEMPTS
    org_id: str = "local"
    workspace: str = DEFAULT_WORKSPACE
    created_by: str = "local"
    serves: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """A task as it stands.

    Attributes:
        due_at: it is given out from then on.
        attempts: how often it was claimed since it was made, or since a person's last retry.
        fence: how often it was claimed at all: the token of its newest claim, which no later claim repeats.
        agent_id: who claimed it last; None before the first.
        claimed_at, lease_until: of the claim that runs; None where none does.
        ended_at: None exactly while it is queued or claimed.
        result: of a completed one. error: why the last attempt failed, or why it is a dead letter.
        serves: the step of a workflow that asked for it, as EXECUTION/ASK; empty: none did.
    """

    task_id: str
    org_id: str
    workspace: str
    type: str
    payload: str
    capabilities: tuple[str, ...]
    priority: int
    deadline: float | None
    attempts_max: int
    created_by: str
    created_at: float
    updated_at: float
    state: TaskState
    due_at: float
    attempts: int = 0
    fence: int = 0
    agent_id: str | None = None
    claimed_at: float | None = None
    lease_until: float | None = None
    ended_at: float | None = None
    result: str | None = None
    error: str | None = None
    latency_ms: float | None = None
    cost_usd: float = 0.0
    serves: str = ""


@dataclass(frozen=True, slots=True)
class Holding:
    """In whose name somebody acts on a task: the agent, and the token that its claim brought. Without a token whoever
    is the agent of the newest claim may act: two processes that share an agent's name are not told apart then."""

    agent_id: str
    fence: int | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt that is over. `latency_ms` is what the agent says, or else the time since its claim; `cost_usd` what
    it says."""

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
    cost_usd: float = 0.0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent as it was registered last."""

    org_id: str
    workspace: str
    agent_id: str
    capabilities: tuple[str, ...]
    registered_by: str
    registered_at: float
    updated_at: float


def checked_new(new: NewTask) -> NewTask:
    """The same. Raises InvalidInput where its type, priority or number of attempts is out of bounds."""
    if not 0 < len(new.type) <= TYPE_MAX_CHARS:
        raise InvalidInput(f"a type of tasks has 1 to {TYPE_MAX_CHARS} characters")
    if not 0 <= new.priority <= PRIORITY_MAX:
        raise InvalidInput(f"a priority is 0 to {PRIORITY_MAX}")
    if not 1 <= new.attempts_max <= ATTEMPTS_MAX:
        raise InvalidInput(f"a task has 1 to {ATTEMPTS_MAX} attempts")
    return new


def checked_capabilities(names: Collection[str]) -> tuple[str, ...]:
    """These capabilities in order, each once. Raises InvalidInput for too many, or a name that is empty or too long."""
    found = tuple(sorted(set(names)))
    if len(found) > CAPABILITIES_MAX:
        raise InvalidInput(f"at most {CAPABILITIES_MAX} capabilities")
    for name in found:
        if not 0 < len(name) <= CAPABILITY_MAX_CHARS:
            raise InvalidInput(f"a capability has 1 to {CAPABILITY_MAX_CHARS} characters")
    return found
