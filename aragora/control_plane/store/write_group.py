"""What one group of units about tasks comes to: pure functions from what the store holds to outcomes and rows.

Rules:
    first    what time alone does to tasks (`machine.tidy`), where the group claims or sweeps.
    then     the units in the order in which they came; each sees what those before it did.
    submit   a known key gets the task that it made first; an organisation has at most `OPEN_MAX` tasks that are open.
    claim    the most urgent task that is free and fits.
    act      a task out of scope does not exist.
A unit that a rule refuses fails alone.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from aragora.control_plane import machine
from aragora.control_plane.model import OPEN_MAX, Attempt, Task, TaskState
from aragora.control_plane.outcomes import outcome_row
from aragora.control_plane.serving import served_rows
from aragora.control_plane.store.claiming import AgentPlace, Place, able
from aragora.control_plane.store.rows import changed_of, values_of_task
from aragora.control_plane.store.units import Act, Claim, Outcome, Submit, Submitted, Sweep, Unit
from aragora.errors import AragoraError, Conflict, InvalidInput, NotFound, RateLimited
from aragora.storage.failures import is_constraint
from aragora.storage.outbox import OutboxRow
from aragora.storage.storable import check_values

TIDIED_AT_ONCE: Final = 200
"""Tasks of each kind that one group tidies, those that are over longest first."""

_FULL_AGAIN_S: Final = 10.0

KeyPlace = tuple[str, str, str, str]
"""An organisation, a workspace, a person and their key."""


@dataclass(frozen=True, slots=True)
class Held:
    """What the store holds that a group needs to know.

    Attributes:
        tasks: every task that a unit names, may get, or that is to be tidied, by id.
        keys: the task that each known key made, and the hash of the request that it came with.
        agents: the capabilities of each registered agent.
        open: how many tasks of an organisation have not ended, at most.
    """

    tasks: Mapping[str, Task]
    keys: Mapping[KeyPlace, tuple[Task, str]]
    agents: Mapping[AgentPlace, tuple[str, ...]]
    open: Mapping[str, int]


@dataclass(slots=True)
class Writes:
    """What the group writes."""

    new: dict[str, Submit] = field(default_factory=dict)
    changed: dict[str, Task] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
    outbox: list[OutboxRow] = field(default_factory=list)


def check(unit: Unit) -> None:
    """Refuse a unit whose values no database could hold. Raises InvalidInput."""
    if isinstance(unit, Submit):
        key = () if unit.key is None else (unit.key.key, unit.key.request_hash)
        check_values("task", unit.task.task_id, (*values_of_task(unit.task), *key))
    elif isinstance(unit, Claim):
        values = (unit.org_id, unit.workspace, unit.agent_id, *(unit.capabilities or ()), unit.lease_s, unit.now)
        check_values("claim of", unit.agent_id, values)
    elif isinstance(unit, Act):
        check_values("task", unit.task_id, (unit.task_id, unit.now, unit.agent_id))


def refusal(_: Unit, error: Exception) -> AragoraError:
    """The error for the one unit whose rows the database itself refused."""
    if is_constraint(error):
        return Conflict("another request made the same meanwhile: send it again")
    return InvalidInput("the database cannot hold one of the task's values: remove control characters")


def task_ids(units: Iterable[Unit]) -> list[str]:
    """The tasks that the group names, in the order in which rows are locked."""
    return sorted({unit.task_id for unit in units if isinstance(unit, Act)})


def key_places(units: Iterable[Unit]) -> list[KeyPlace]:
    """The keys of requests that the group brings."""
    return sorted({place for unit in units if isinstance(unit, Submit) and (place := _key_place(unit)) is not None})


def agent_places(units: Iterable[Unit], tasks: Mapping[str, Task]) -> list[AgentPlace]:
    """The agents whose registered capabilities the group needs; `tasks` are those that it names."""
    found: set[AgentPlace] = set()
    for unit in units:
        if isinstance(unit, Claim) and unit.capabilities is None:
            found.add((unit.org_id, unit.workspace, unit.agent_id))
        elif isinstance(unit, Act) and unit.agent_id is not None and unit.task_id in tasks:
            task = tasks[unit.task_id]
            found.add((task.org_id, task.workspace, unit.agent_id))
    return sorted(found)


def tidies_at(units: Iterable[Unit]) -> float | None:
    """The time at which the group tidies; None where it does not."""
    return max((unit.now for unit in units if isinstance(unit, Claim | Sweep)), default=None)


def resolve(units: Sequence[Unit], held: Held, *, told: bool) -> tuple[list[Outcome], Writes]:
    """The outcome of each unit, in order, and what the group writes. `told`: each attempt that is over has a row in the
    outbox. The ends of tasks that serve a workflow always have one."""
    group = _Group(held, told=told)
    at = tidies_at(units)
    if at is not None:
        group.tidy(at)
    outcomes: list[Outcome] = []
    for unit in units:
        try:
            outcomes.append(group.outcome(unit))
        except AragoraError as refused:
            outcomes.append(refused)
    return outcomes, group.writes


class _Group:
    def __init__(self, held: Held, *, told: bool) -> None:
        self.writes = Writes()
        self._told = told
        self._held = held
        self._tasks = dict(held.tasks)
        self._keys = dict(held.keys)
        self._open = dict(held.open)
        self._tidied = 0
        self._queues: dict[Place, list[tuple[tuple[int, float, str], str]]] = {}
        for task in self._tasks.values():
            self._queue(task, sort=False)
        for queue in self._queues.values():
            queue.sort()

    def tidy(self, now: float) -> None:
        for task in list(self._tasks.values()):
            step = machine.tidy(task, now)
            if not step.known:
                self._keep(step)
                self._tidied += 1

    def outcome(self, unit: Unit) -> Outcome:
        if isinstance(unit, Submit):
            return self._submit(unit)
        if isinstance(unit, Claim):
            return self._claim(unit)
        if isinstance(unit, Sweep):
            return self._tidied
        return self._act(unit)

    def _submit(self, unit: Submit) -> Submitted:
        task, place = unit.task, _key_place(unit)
        known = None if place is None else self._keys.get(place)
        if known is not None and unit.key is not None:
            first, request_hash = known
            if request_hash != unit.key.request_hash:
                raise Conflict(f"idempotency key {unit.key.key!r} was used for another request: use a new key")
            return Submitted(self._tasks.get(first.task_id, first), created=False)
        if self._open.get(task.org_id, 0) >= OPEN_MAX:
            raise RateLimited(
                f"{OPEN_MAX} tasks of this organisation are open, the most there may be: let some end first",
                code="too_many_tasks",
                retry_after_s=_FULL_AGAIN_S,
            )
        self._open[task.org_id] = self._open.get(task.org_id, 0) + 1
        if place is not None and unit.key is not None:
            self._keys[place] = (task, unit.key.request_hash)
        self.writes.new[task.task_id] = unit
        self._tasks[task.task_id] = task
        self._queue(task)
        return Submitted(task, created=True)

    def _claim(self, unit: Claim) -> Task | None:
        capabilities = able(unit, self._held.agents)
        if capabilities is None:
            raise NotFound(
                f"no agent {unit.agent_id} is registered in this workspace: register it, or say what it can do",
                code="unknown_agent",
            )
        kind = frozenset(capabilities)
        queue = self._queues.get((unit.org_id, unit.workspace), [])
        for index, (_, task_id) in enumerate(queue):
            task = self._tasks[task_id]
            if machine.is_free(task, unit.now) and machine.fits(task, kind):
                del queue[index]
                return self._keep(machine.claim(task, unit.agent_id, kind, unit.lease_s, unit.now))
        return None

    def _act(self, unit: Act) -> Task:
        task = self._tasks.get(unit.task_id)
        if task is None or not unit.scope.holds(task.org_id, task.workspace):
            raise unknown_task()
        capabilities = None
        if unit.agent_id is not None:
            capabilities = self._held.agents.get((task.org_id, task.workspace, unit.agent_id))
        return self._keep(unit.rule(task, capabilities))

    def _keep(self, step: machine.Step) -> Task:
        task = step.task
        if not step.known:
            before = self._tasks[task.task_id]
            self._tasks[task.task_id] = task
            self._queue(task)
            self._open[task.org_id] = self._open.get(task.org_id, 0) + before.state.ended - task.state.ended
            self.writes.changed[task.task_id] = task
            self.writes.outbox.extend(served_rows(before, task))
            if step.attempt is not None:
                self.writes.attempts.append(step.attempt)
                if self._told:
                    self.writes.outbox.append(outcome_row(step.attempt, task))
        return task

    def _queue(self, task: Task, *, sort: bool = True) -> None:
        """Let claims of this group find the task. One that is there twice, or not free any more, is passed over."""
        if task.state is TaskState.QUEUED:
            queue = self._queues.setdefault((task.org_id, task.workspace), [])
            entry = (machine.urgency(task), task.task_id)
            if sort:
                insort(queue, entry)
            else:
                queue.append(entry)


def rows_of_new(writes: Writes) -> list[tuple[object, ...]]:
    """The values of new tasks: of the columns `rows.TASK`, then `rows.BESIDES`. Each as the group leaves it."""
    rows: list[tuple[object, ...]] = []
    for task_id, unit in writes.new.items():
        key = (None, None) if unit.key is None else (unit.key.key, unit.key.request_hash)
        rows.append((*values_of_task(writes.changed.get(task_id, unit.task)), *key))
    return rows


def rows_of_changed(writes: Writes) -> list[tuple[object, ...]]:
    """The ids of tasks that changed, and were there before, each with the values of the columns `rows.CHANGED`."""
    return [(key, *changed_of(task)) for key, task in sorted(writes.changed.items()) if key not in writes.new]


def unknown_task() -> NotFound:
    """The error for a task that is not there, or not within the caller's reach."""
    return NotFound("There is no such task. List the tasks with GET /api/control-plane/tasks.")


def _key_place(unit: Submit) -> KeyPlace | None:
    task = unit.task
    return None if unit.key is None else (task.org_id, task.workspace, task.created_by, unit.key.key)
