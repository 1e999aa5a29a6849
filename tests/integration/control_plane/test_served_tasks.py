"""Tasks that serve a step of a workflow, on both databases: each end is told in its transaction, once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import httpx2
import pytest
from worlds.backends import SetClock
from worlds.control_server import TASKS, sent

from aragora.control_plane.model import Holding, NewTask, Task, TaskState
from aragora.control_plane.outcomes import TOPIC
from aragora.control_plane.serving import SERVED_TASKS, ServedTask, Standing, serves
from aragora.control_plane.store.tasks import TaskStore
from aragora.control_plane.store.writer import TaskWriter
from aragora.control_plane.tasking import Tasks
from aragora.encoding import decode_as
from aragora.errors import Conflict, NotFound
from aragora.scope import Scope
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRow
from aragora.storage.outbox_store import OutboxStore

MINE = Scope("org", None)
NEW = NewTask("review", org_id="org", created_by="pia", attempts_max=1, serves=serves("exe_1", "ask_1"))


@pytest.fixture(params=[True, False], ids=["told", "untold"])
def told(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
async def writer(database: Database, told: bool) -> AsyncIterator[TaskWriter]:
    writer = TaskWriter(database, told=told)
    yield writer
    await writer.aclose()


async def made(tasks: Tasks, new: NewTask = NEW) -> Task:
    return (await tasks.submit(new)).task


async def claimed(tasks: Tasks) -> tuple[str, Holding]:
    task = await tasks.claim_next("org", "default", "ann", ())
    assert task is not None
    return task.task_id, Holding("ann", task.fence)


async def rows(database: Database) -> list[OutboxRow]:
    return await OutboxStore(database).pending((SERVED_TASKS,))


async def completed(tasks: Tasks, _: SetClock) -> None:
    task_id, holding = await claimed(tasks)
    for _again in range(2):
        await tasks.complete(task_id, MINE, holding, '"yes"', cost_usd=0.5)


async def failed(tasks: Tasks, _: SetClock) -> None:
    task_id, holding = await claimed(tasks)
    await tasks.fail(task_id, MINE, holding, "no", again=False)


async def dead(tasks: Tasks, _: SetClock) -> None:
    task_id, holding = await claimed(tasks)
    await tasks.fail(task_id, MINE, holding, "no")


async def lapsed(tasks: Tasks, clock: SetClock) -> None:
    await claimed(tasks)
    clock.at += 61
    await tasks.sweep()


async def late(tasks: Tasks, clock: SetClock) -> None:
    clock.at += 101
    await tasks.sweep()


async def cancelled(tasks: Tasks, _: SetClock) -> None:
    task_id, _holding = await claimed(tasks)
    await tasks.cancel(task_id, MINE)


ENDS: dict[Callable[[Tasks, SetClock], Awaitable[None]], TaskState] = {
    completed: TaskState.COMPLETED,
    failed: TaskState.FAILED,
    dead: TaskState.DEAD_LETTERED,
    lapsed: TaskState.DEAD_LETTERED,
    late: TaskState.DEAD_LETTERED,
    cancelled: TaskState.CANCELLED,
}


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
async def test_every_end_has_one_row_whoever_else_is_told(
    tasks: Tasks,
    store: TaskStore,
    database: Database,
    clock: SetClock,
    end: Callable[[Tasks, SetClock], Awaitable[None]],
) -> None:
    task = await made(tasks, replace(NEW, deadline=clock.at + 100))
    assert (await store.get(task.task_id, MINE)).serves == "exe_1/ask_1"
    assert await rows(database) == []
    await end(tasks, clock)
    (row,) = await rows(database)
    assert decode_as(row.payload, ServedTask) == ServedTask(task.task_id, "exe_1", "ask_1")
    assert (row.debate_id, row.created_at) == (task.task_id, clock.at)
    assert (await store.standings([task.task_id]))[task.task_id].state is ENDS[end]


async def test_an_attempt_that_is_followed_by_another_is_no_end(tasks: Tasks, database: Database) -> None:
    await made(tasks, replace(NEW, attempts_max=2))
    task_id, holding = await claimed(tasks)
    await tasks.fail(task_id, MINE, holding, "no")
    assert await rows(database) == []


async def test_a_task_that_serves_nobody_has_none(tasks: Tasks, database: Database, told: bool) -> None:
    await made(tasks, replace(NEW, serves=""))
    task_id, holding = await claimed(tasks)
    await tasks.complete(task_id, MINE, holding, "1")
    assert await rows(database) == []
    assert await OutboxStore(database).count(TOPIC) == (1 if told else 0)


async def test_each_end_that_follows_a_retry_has_a_row_of_its_own(
    tasks: Tasks, store: TaskStore, database: Database, clock: SetClock
) -> None:
    task = await made(tasks, replace(NEW, deadline=clock.at + 100))
    await dead(tasks, clock)
    await tasks.retry(task.task_id, MINE)
    assert (await store.standings([task.task_id]))[task.task_id].state is TaskState.QUEUED
    clock.at += 101  # past its deadline, not claimed since
    await tasks.sweep()
    await tasks.retry(task.task_id, MINE)
    await tasks.cancel(task.task_id, MINE)  # at the same moment, not claimed either
    found = await rows(database)
    assert len({row.outbox_id for row in found}) == 3
    assert {decode_as(row.payload, ServedTask).task_id for row in found} == {task.task_id}


async def test_what_came_of_tasks_is_read_together(tasks: Tasks, store: TaskStore, clock: SetClock) -> None:
    task = await made(tasks)
    await completed(tasks, clock)
    other = await made(tasks)
    await dead(tasks, clock)
    assert await store.standings([task.task_id, other.task_id, "tsk_gone"]) == {
        task.task_id: Standing(TaskState.COMPLETED, '"yes"', None, "ann", 0.5),
        other.task_id: Standing(TaskState.DEAD_LETTERED, None, "no", "ann", 0.0),
    }
    assert await store.standings([]) == {}


async def test_only_the_execution_that_asked_cancels_in_its_name(tasks: Tasks, database: Database) -> None:
    task, others = await made(tasks), await made(tasks, replace(NEW, serves=""))
    for execution_id, task_id in (("exe_2", task.task_id), ("exe_1", others.task_id), ("exe_1", "tsk_gone")):
        with pytest.raises(NotFound):
            await tasks.cancel_for(execution_id, task_id)
    for _ in range(2):
        assert (await tasks.cancel_for("exe_1", task.task_id)).state is TaskState.CANCELLED
    assert len(await rows(database)) == 1
    done = await made(tasks)
    await tasks.cancel(others.task_id, MINE)
    task_id, holding = await claimed(tasks)
    await tasks.complete(task_id, MINE, holding, "1")
    with pytest.raises(Conflict):
        await tasks.cancel_for("exe_1", done.task_id)


async def test_a_step_that_asks_again_gets_its_task_and_a_person_never_does(tasks: Tasks) -> None:
    first = await tasks.submit(NEW, "ask_1")
    again = await tasks.submit(NEW, "ask_1")
    assert (again.task.task_id, again.created) == (first.task.task_id, False)
    with pytest.raises(Conflict):
        await tasks.submit(replace(NEW, serves=""), "ask_1")


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
async def test_a_caller_neither_sets_nor_sees_what_a_task_serves(client: httpx2.AsyncClient) -> None:
    await sent(client, TASKS, 422, {"type": "review", "serves": "exe_1/ask_1"})
    assert "serves" not in await sent(client, TASKS, 201, {"type": "review"})
