"""What the writer of tasks writes: units, each of which counts as a whole or not at all, and what becomes of them.

Times are seconds since the epoch; each unit brings the `now` of who asks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aragora.control_plane.machine import Step
from aragora.control_plane.model import Task
from aragora.scope import Scope


@dataclass(frozen=True, slots=True)
class Key:
    """A caller's key for one request, unique per person in a workspace. The same key with the same `request_hash` gets
    the task that was made first; with another one it is a Conflict."""

    key: str
    request_hash: str


@dataclass(frozen=True, slots=True)
class Submit:
    """A new task. Its outcome is `Submitted`."""

    task: Task
    key: Key | None = None

    @property
    def now(self) -> float:
        return self.task.created_at


@dataclass(frozen=True, slots=True)
class Claim:
    """Give an agent the most urgent task of a workspace that fits it. Its outcome is the task, or None where there is
    none. `capabilities` None means those with which the agent is registered there."""

    org_id: str
    workspace: str
    agent_id: str
    capabilities: tuple[str, ...] | None
    lease_s: float
    now: float


@dataclass(frozen=True, slots=True)
class Act:
    """Apply a rule to one task. Its outcome is the task after it.

    `rule` is called inside the transaction, and again with the same task should that be repeated. `agent_id` names an
    agent whose registered capabilities the rule is given; None: it gets none.
    """

    task_id: str
    scope: Scope
    rule: Callable[[Task, tuple[str, ...] | None], Step]
    now: float
    agent_id: str | None = None


@dataclass(frozen=True, slots=True)
class Sweep:
    """Do what time alone does to tasks: leases that ran out, deadlines that passed. Its outcome is how many tasks
    changed: call again until it is less than `write_group.TIDIED_AT_ONCE`."""

    now: float


@dataclass(frozen=True, slots=True)
class Submitted:
    """The task that a request made; `created` is False where an earlier one with the same key made it."""

    task: Task
    created: bool


Unit = Submit | Claim | Act | Sweep
Outcome = Submitted | Task | int | Exception | None
