"""The durable jobs of tasks, on both databases."""

from __future__ import annotations

from worlds.backends import SetClock

from aragora.control_plane.model import Holding, NewTask, TaskState
from aragora.control_plane.store.tasks import ATTEMPTS_RETAINED_S, RETAINED_S, TaskStore, Wanted
from aragora.control_plane.tasking import Tasks
from aragora.control_plane.upkeep import forgetting_tasks, sweeping_tasks
from aragora.scope import EVERYTHING, Scope
from aragora.storage.database import Database

MINE = Scope("org", None)
NEW = NewTask("review", org_id="org")


async def test_leases_and_deadlines_that_are_over_are_noticed_without_a_claim(
    tasks: Tasks, store: TaskStore, database: Database, clock: SetClock
) -> None:
    held = (await tasks.submit(NEW)).task
    await tasks.claim_next("org", "default", "ada", (), lease_s=10)
    late = (await tasks.submit(NewTask("review", org_id="org", deadline=clock.at + 5))).task
    job = sweeping_tasks(database, clock, told=True)
    assert await job.run() == "0 tasks whose lease or deadline was over"
    clock.at += 11
    assert await job.run() == "2 tasks whose lease or deadline was over"
    assert (await store.get(held.task_id, MINE)).state is TaskState.QUEUED
    assert (await store.get(late.task_id, MINE)).state is TaskState.DEAD_LETTERED


async def test_ended_tasks_go_after_thirty_days_and_attempts_after_ninety(
    tasks: Tasks, store: TaskStore, database: Database, clock: SetClock
) -> None:
    kept = (await tasks.submit(NewTask("audit", org_id="org", capabilities=("law",)))).task
    await tasks.submit(NEW)
    done = await tasks.claim_next("org", "default", "ada", ())
    assert done is not None
    await tasks.complete(done.task_id, MINE, Holding("ada"), "1")
    job, since = forgetting_tasks(database, clock), clock.at
    clock.at = since + RETAINED_S - 1
    assert await job.run() == "forgot 0 rows of tasks and attempts"
    clock.at = since + RETAINED_S + 1
    assert await job.run() == "forgot 1 row of tasks and attempts"
    page = await store.page(MINE, Wanted())
    assert [one.task_id for one in page.items] == [kept.task_id]
    assert len(await store.outcomes(EVERYTHING, since, 10)) == 1
    clock.at = since + ATTEMPTS_RETAINED_S + 1
    assert await job.run() == "forgot 1 row of tasks and attempts"
    assert await store.outcomes(EVERYTHING, since, 10) == []
