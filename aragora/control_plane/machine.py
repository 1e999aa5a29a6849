"""The rules of a task, pure: each function takes a task as it stands and gives the task as it stands afterwards.

    queued ──claim──▶ claimed ──complete──▶ completed
      ▲                 │ ├──fail, of no use again──▶ failed
      │                 │ └──fail, lapse: no attempt left──▶ dead_lettered ◀── queued, its deadline passed
      └── fail, lapse ──┘
    queued, claimed ──cancel──▶ cancelled        failed, dead_lettered ──revive──▶ queued

Rules:
    - Each claim brings a token (`fence`) one higher than the last. Who acts with an older one is refused, also where
      the same agent holds the task anew.
    - A lease that ran out ends the attempt once somebody notices (`lapse`); until then its holder may still finish.
    - What is said twice in the same words gets its first answer. Other words about what has ended are a Conflict.
    - A task is not given out after its deadline. Who holds it by then may finish.
    - `attempts` never exceeds `attempts_max`; a person's retry starts the count again, `fence` goes on.
    - Failed attempts wait before the next: 1 s, then twice as long each time, at most 5 minutes. A lapse has waited
      already.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from aragora.control_plane.model import (
    LEASE_MAX_S,
    LEASE_MIN_S,
    Attempt,
    Holding,
    How,
    NewTask,
    Task,
    TaskState,
)
from aragora.errors import Conflict

BACKOFF_S: Final = 1.0
BACKOFF_MAX_S: Final = 300.0

LATE: Final = "its deadline passed"
LAPSED: Final = "the lease ran out: nothing more was heard of the agent"


@dataclass(frozen=True, slots=True)
class Step:
    """What a rule comes to: the task after it, and the attempt that it ended, if it ended one. `known` says that
    nothing changed: the same was said before."""

    task: Task
    attempt: Attempt | None = None
    known: bool = False


def submit(new: NewTask, task_id: str, now: float) -> Task:
    """A task that waits to be claimed."""
    return Task(
        task_id=task_id,
        org_id=new.org_id,
        workspace=new.workspace,
        type=new.type,
        payload=new.payload,
        capabilities=new.capabilities,
        priority=new.priority,
        deadline=new.deadline,
        attempts_max=new.attempts_max,
        created_by=new.created_by,
        created_at=now,
        updated_at=now,
        state=TaskState.QUEUED,
        due_at=now,
        serves=new.serves,
    )


def fits(task: Task, capabilities: Collection[str]) -> bool:
    """Whether somebody with these capabilities can do the task."""
    return set(task.capabilities) <= set(capabilities)


def is_free(task: Task, now: float) -> bool:
    """Whether the task may be given out now."""
    return task.state is TaskState.QUEUED and task.due_at <= now and not is_late(task, now)


def is_late(task: Task, now: float) -> bool:
    """Whether the deadline of a task that waits has passed."""
    return task.state is TaskState.QUEUED and task.deadline is not None and task.deadline <= now


def is_lapsed(task: Task, now: float) -> bool:
    """Whether the lease of a claimed task has run out."""
    return task.state is TaskState.CLAIMED and task.lease_until is not None and task.lease_until <= now


def urgency(task: Task) -> tuple[int, float, str]:
    """The order in which tasks are given out: the highest priority first, then the oldest."""
    return -task.priority, task.created_at, task.task_id


def lease_of(wanted_s: float) -> float:
    """A lease within its bounds, in seconds."""
    return min(LEASE_MAX_S, max(LEASE_MIN_S, wanted_s))


def tidy(task: Task, now: float) -> Step:
    """The task after what time alone does to it: a lease that ran out, then a deadline that passed. `known` where that
    is nothing."""
    step = _lapse(task, now) if is_lapsed(task, now) else Step(task, known=True)
    if is_late(step.task, now):
        return Step(_end(step.task, TaskState.DEAD_LETTERED, now, LATE), step.attempt)
    return step


def claim(task: Task, agent_id: str, capabilities: Collection[str], lease_s: float, now: float) -> Step:
    """Give the task to an agent, after `tidy`. Raises Conflict: another one holds it (`claimed`), it has ended
    (`ended`), waits before its next attempt (`not_due`), or wants what the agent lacks (`lacks_capability`)."""
    tidied = tidy(task, now)
    task = tidied.task
    if task.state is TaskState.CLAIMED:
        raise Conflict(f"task {task.task_id} is held by {task.agent_id}: claim another one", code="claimed")
    if task.state.ended:
        raise _ended(task)
    if task.due_at > now:
        raise Conflict(
            f"task {task.task_id} waits before its next attempt", code="not_due", retry_after_s=task.due_at - now
        )
    if not fits(task, capabilities):
        lacking = ", ".join(sorted(set(task.capabilities) - set(capabilities)))
        raise Conflict(f"task {task.task_id} wants what {agent_id} cannot do: {lacking}", code="lacks_capability")
    claimed = replace(
        task,
        state=TaskState.CLAIMED,
        attempts=task.attempts + 1,
        fence=task.fence + 1,
        agent_id=agent_id,
        claimed_at=now,
        lease_until=now + lease_of(lease_s),
        updated_at=now,
    )
    return Step(claimed, tidied.attempt)


def heartbeat(task: Task, holding: Holding, lease_s: float, now: float) -> Step:
    """Let the lease end `lease_s` seconds from now; it never becomes shorter. Raises Conflict where the caller does
    not hold the task (any more)."""
    _check_held(task, holding)
    until = max(task.lease_until or now, now + lease_of(lease_s))
    return Step(replace(task, lease_until=until, updated_at=max(task.updated_at, now)))


def complete(
    task: Task, holding: Holding, result: str, now: float, *, latency_ms: float | None = None, cost_usd: float = 0.0
) -> Step:
    """The holder is done. The same result again gets the same answer. Raises Conflict for another result
    (`other_result`), and where the caller does not hold the task (any more)."""
    if task.state is TaskState.COMPLETED and _is_newest(task, holding):
        if task.result != result:
            raise Conflict(f"task {task.task_id} was completed with another result", code="other_result")
        return Step(task, known=True)
    _check_held(task, holding)
    attempt = _attempt(task, How.COMPLETED, now, latency_ms=latency_ms, cost_usd=cost_usd)
    done = replace(
        task,
        state=TaskState.COMPLETED,
        claimed_at=None,
        lease_until=None,
        ended_at=now,
        updated_at=now,
        result=result,
        error=None,
        latency_ms=attempt.latency_ms,
        cost_usd=task.cost_usd + cost_usd,
    )
    return Step(done, attempt)


def fail(
    task: Task,
    holding: Holding,
    error: str,
    now: float,
    *,
    again: bool = True,
    latency_ms: float | None = None,
    cost_usd: float = 0.0,
) -> Step:
    """The holder's attempt failed. `again` False says that no other attempt can do better. The same failure again gets
    its answer. Raises Conflict where the caller does not hold the task (any more)."""
    told_before = task.state in (TaskState.QUEUED, TaskState.FAILED, TaskState.DEAD_LETTERED)
    if told_before and task.error == error and _is_newest(task, holding):
        return Step(task, known=True)
    _check_held(task, holding)
    attempt = _attempt(task, How.FAILED, now, latency_ms=latency_ms, cost_usd=cost_usd, error=error)
    paid = replace(task, cost_usd=task.cost_usd + cost_usd)
    if not again:
        return Step(_end(paid, TaskState.FAILED, now, error), attempt)
    if task.attempts >= task.attempts_max:
        return Step(_end(paid, TaskState.DEAD_LETTERED, now, error), attempt)
    return Step(_wait(paid, now, now + backoff_s(task.attempts), error), attempt)


def cancel(task: Task, now: float) -> Step:
    """Nobody wants it any more. Cancelling twice is once. Raises Conflict where it has ended otherwise."""
    if task.state is TaskState.CANCELLED:
        return Step(task, known=True)
    if task.state.ended:
        raise _ended(task)
    attempt = _attempt(task, How.CANCELLED, now) if task.state is TaskState.CLAIMED else None
    return Step(_end(task, TaskState.CANCELLED, now, task.error), attempt)


def revive(task: Task, now: float) -> Step:
    """A person wants it tried again, with all its attempts and at once; a deadline that has passed is dropped. Where it
    waits or runs already nothing changes. Raises Conflict where it was completed or cancelled."""
    if not task.state.ended:
        return Step(task, known=True)
    if task.state not in (TaskState.FAILED, TaskState.DEAD_LETTERED):
        raise _ended(task)
    deadline = None if task.deadline is not None and task.deadline <= now else task.deadline
    return Step(replace(_wait(task, now, now, task.error), attempts=0, deadline=deadline, ended_at=None))


def backoff_s(attempts: int) -> float:
    """How long a task waits after so many failed attempts, in seconds."""
    return float(min(BACKOFF_MAX_S, BACKOFF_S * 2.0 ** max(0, attempts - 1)))


def _lapse(task: Task, now: float) -> Step:
    attempt = _attempt(task, How.LAPSED, now, error=LAPSED)
    if task.attempts >= task.attempts_max:
        return Step(_end(task, TaskState.DEAD_LETTERED, now, LAPSED), attempt)
    return Step(_wait(task, now, now, LAPSED), attempt)


def _wait(task: Task, now: float, due_at: float, error: str | None) -> Task:
    return replace(
        task,
        state=TaskState.QUEUED,
        due_at=due_at,
        claimed_at=None,
        lease_until=None,
        error=error,
        updated_at=now,
    )


def _end(task: Task, state: TaskState, now: float, error: str | None) -> Task:
    return replace(task, state=state, claimed_at=None, lease_until=None, ended_at=now, error=error, updated_at=now)


def _attempt(
    task: Task,
    how: How,
    now: float,
    *,
    latency_ms: float | None = None,
    cost_usd: float = 0.0,
    error: str | None = None,
) -> Attempt:
    """The attempt that runs, ended. Its agent is known: it was claimed."""
    since = now if task.claimed_at is None else task.claimed_at
    return Attempt(
        task_id=task.task_id,
        fence=task.fence,
        org_id=task.org_id,
        workspace=task.workspace,
        type=task.type,
        capabilities=task.capabilities,
        agent_id=task.agent_id or "",
        how=how,
        at=now,
        latency_ms=max(0.0, now - since) * 1_000 if latency_ms is None else latency_ms,
        cost_usd=cost_usd,
        error=error,
    )


def _is_newest(task: Task, holding: Holding) -> bool:
    return task.agent_id == holding.agent_id and holding.fence in (None, task.fence)


def _check_held(task: Task, holding: Holding) -> None:
    """Raises Conflict where not this claim of this agent runs."""
    if holding.fence is not None and holding.fence != task.fence:
        raise Conflict(
            f"task {task.task_id} was claimed anew since token {holding.fence}: drop what is known of it",
            code="stale_token",
        )
    if task.state.ended:
        raise _ended(task)
    if task.state is not TaskState.CLAIMED:
        raise Conflict(f"nobody holds task {task.task_id}: claim it first", code="not_claimed")
    if task.agent_id != holding.agent_id:
        raise Conflict(f"task {task.task_id} is held by another agent than {holding.agent_id}", code="other_agent")


def _ended(task: Task) -> Conflict:
    return Conflict(f"task {task.task_id} has ended: it is {task.state}", code="ended")
