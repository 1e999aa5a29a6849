"""The step `task`: something for an agent of the control plane. Its end comes back by the outbox of tasks
(`aragora.control_plane.serving.SERVED_TASKS`)."""

from __future__ import annotations

from typing import Any, Final

from aragora.control_plane.model import NewTask, TaskState
from aragora.control_plane.serving import serves
from aragora.control_plane.store.tasks import TaskStore
from aragora.control_plane.tasking import Tasks, checked_json
from aragora.debate.budget import micros_of
from aragora.encoding import decode
from aragora.errors import NotFound
from aragora.workflows.model import Accepted, Ask, Done, ExecutionStarted, Failed, Reply

_DONE: Final = TaskState.COMPLETED


class Tasking:
    """Does steps of the kind `task`."""

    def __init__(self, tasks: Tasks, store: TaskStore) -> None:
        self._tasks = tasks
        self._store = store

    async def do(self, ask: Ask, started: ExecutionStarted) -> Reply:
        """Submit the task; the ask's id makes it one. Raises InvalidInput, RateLimited, Unavailable."""
        what = ask.what
        new = NewTask(
            type=what["task"],
            payload=checked_json(what["payload"]),
            capabilities=tuple(sorted(set(what["capabilities"]))),
            priority=what["priority"],
            org_id=started.org_id,
            workspace=started.workspace,
            created_by=started.started_by,
            serves=serves(started.execution_id, ask.ask_id),
        )
        submitted = await self._tasks.submit(new, ask.ask_id)
        return Accepted(ask.ask_id, submitted.task.task_id)

    async def stop(self, ref: str, started: ExecutionStarted) -> None:
        """Cancel the task. Raises NotFound, and Conflict where it is over."""
        await self._tasks.cancel_for(started.execution_id, ref)

    async def reply(self, task_id: str, ask_id: str) -> Reply | None:
        """What a task that has ended says to its ask; None where it goes on again. Raises NotFound, Unavailable."""
        standing = (await self._store.standings([task_id])).get(task_id)
        if standing is None:
            raise NotFound(f"there is no task {task_id}")
        if not standing.state.ended:
            return None
        cost = micros_of(standing.cost_usd)
        if standing.state is not _DONE:
            reason = f"task {task_id}: {standing.error or standing.state.value}"
            return Failed(ask_id, f"task_{standing.state.value}", reason, again=False, cost_micros=cost)
        result: Any = None if standing.result is None else decode(standing.result)
        return Done(ask_id, {"task_id": task_id, "result": result, "agent_id": standing.agent_id}, cost)
