"""Tasks on both databases: given out once, ended once, told once, and read within a scope."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from worlds.backends import SetClock

from aragora.control_plane.model import Agent, Holding, How, NewTask, Task, TaskState
from aragora.control_plane.outcomes import TOPIC, TaskOutcome
from aragora.control_plane.store import writer_postgres, writer_sqlite
from aragora.control_plane.store.claiming import glimpse
from aragora.control_plane.store.tasks import ATTEMPTS_RETAINED_S, RETAINED_S, TaskStore, Wanted
from aragora.control_plane.store.writer import TaskWriter
from aragora.control_plane.tasking import Tasks
from aragora.encoding import decode_as
from aragora.errors import AragoraError, Conflict, InvalidInput, NotFound, RateLimited
from aragora.scope import Scope
from aragora.storage.database import Database
from aragora.storage.outbox_store import OutboxStore
from aragora.storage.postgres import connect

MINE = Scope("org", None)
NEW = NewTask("review", '{"pull": 7}', org_id="org", created_by="pia")


async def made(tasks: Tasks, **changed: Any) -> Task:
    return (await tasks.submit(replace(NEW, **changed))).task


async def next_for(tasks: Tasks, agent: str, *can: str) -> Task | None:
    return await tasks.claim_next("org", "default", agent, can)


async def claimed(tasks: Tasks, agent: str, *can: str) -> Task:
    task = await next_for(tasks, agent, *can)
    assert task is not None
    return task


def holding(task: Task) -> Holding:
    return Holding(task.agent_id or "", task.fence)


async def outcomes(database: Database) -> list[TaskOutcome]:
    rows = await OutboxStore(database).pending((TOPIC,))
    return [decode_as(row.payload, TaskOutcome) for row in rows]


async def test_what_is_read_is_what_was_written(tasks: Tasks, store: TaskStore) -> None:
    task = await made(tasks, capabilities=("gpu", "python"), priority=7, deadline=2e9)
    assert await store.get(task.task_id, MINE) == task
    done = await tasks.claim(task.task_id, MINE, "ann", ("gpu", "python"))
    assert await store.get(task.task_id, MINE) == done


async def test_the_most_urgent_task_that_fits_is_given_out_first(tasks: Tasks, clock: SetClock) -> None:
    low = await made(tasks, priority=1)
    clock.at += 1
    first, special = await made(tasks), await made(tasks, priority=9, capabilities=("gpu",))
    clock.at += 1
    second = await made(tasks)
    found = [await next_for(tasks, "ann") for _ in range(4)]
    assert [one and one.task_id for one in found] == [first.task_id, second.task_id, low.task_id, None]
    assert (await claimed(tasks, "bob", "gpu", "more")).task_id == special.task_id


async def test_of_agents_that_claim_together_each_gets_what_it_can_do(tasks: Tasks) -> None:
    for _ in range(3):
        await made(tasks, priority=9, capabilities=("gpu",))
    last = await made(tasks, priority=1, capabilities=("cpu",))
    found = await asyncio.gather(next_for(tasks, "ann", "gpu"), next_for(tasks, "bob", "cpu"))
    assert [task and task.capabilities for task in found] == [("gpu",), ("cpu",)]
    assert found[1] is not None
    assert found[1].task_id == last.task_id


async def test_who_claims_beside_somebody_who_takes_the_most_urgent_task_by_its_id_gets_the_next(tasks: Tasks) -> None:
    first, second = await made(tasks, priority=9), await made(tasks)
    found = await asyncio.gather(tasks.claim(first.task_id, MINE, "ann", ()), next_for(tasks, "bob"))
    assert [task and task.task_id for task in found] == [first.task_id, second.task_id]


async def test_behind_many_tasks_that_an_agent_cannot_do_it_gets_the_one_that_it_can(tasks: Tasks) -> None:
    many = range(2 * glimpse(1))
    await asyncio.gather(*(made(tasks, priority=9, capabilities=(f"skill-{n % 7}",)) for n in many))
    late, urgent = await made(tasks, priority=1), await made(tasks, priority=2)
    assert [(await claimed(tasks, "ann")).task_id for _ in range(2)] == [urgent.task_id, late.task_id]
    assert await next_for(tasks, "ann") is None


async def test_a_claim_passes_over_what_another_process_is_giving_out(tasks: Tasks, database: Database) -> None:
    if database.is_sqlite:
        pytest.skip("its writers take turns")
    await asyncio.gather(*(made(tasks, priority=9) for _ in range(glimpse(1))))
    rest = await made(tasks, priority=1, capabilities=("cpu",))  # not among what is glimpsed
    async with database.writing() as connection:
        await connection.exec_driver_sql("SELECT 1 FROM control_tasks WHERE capabilities = '[]' FOR UPDATE")
        assert (await claimed(tasks, "ann", "cpu")).task_id == rest.task_id


async def test_no_task_is_given_to_two_of_many_that_claim_at_once(
    tasks: Tasks, database: Database, clock: SetClock
) -> None:
    for _ in range(40):
        await made(tasks)
    other = TaskWriter(database, told=True)
    sides = (tasks, Tasks(other, clock))
    try:
        found = await asyncio.gather(*(next_for(sides[n % 2], f"agent-{n}") for n in range(60)))
    finally:
        await other.aclose()
    got = [task.task_id for task in found if task is not None]
    assert len(got) == len(set(got))
    rest = [await next_for(tasks, "late") for _ in range(41 - len(got))]
    assert len({*got, *(task.task_id for task in rest if task is not None)}) == 40
    assert rest[-1] is None


async def test_a_completion_and_its_outbox_row_are_there_together_and_once(
    tasks: Tasks, store: TaskStore, database: Database
) -> None:
    task = await made(tasks)
    mine = holding(await claimed(tasks, "ann"))
    told = await asyncio.gather(
        *(tasks.complete(task.task_id, MINE, mine, '{"ok":true}', latency_ms=5_000.0) for _ in range(3))
    )
    assert {one.state for one in told} == {TaskState.COMPLETED}
    (outcome,) = await outcomes(database)
    assert (outcome.task_id, outcome.how, outcome.latency_ms) == (task.task_id, How.COMPLETED, 5_000.0)
    assert outcome.result == '{"ok":true}'
    assert [one.how for one in await store.attempts(task.task_id)] == [How.COMPLETED]
    with pytest.raises(Conflict):
        await tasks.complete(task.task_id, MINE, mine, '{"ok":false}')
    assert len(await outcomes(database)) == 1


async def test_where_nobody_learns_from_outcomes_the_outbox_stays_empty(database: Database, clock: SetClock) -> None:
    writer = TaskWriter(database, told=False)
    try:
        tasks = Tasks(writer, clock)
        task = await made(tasks)
        await tasks.complete(task.task_id, MINE, holding(await claimed(tasks, "ann")), "1")
    finally:
        await writer.aclose()
    assert await outcomes(database) == []


async def test_a_lease_that_ran_out_is_noticed_by_the_next_claim_and_the_old_token_is_refused(
    tasks: Tasks, database: Database, clock: SetClock
) -> None:
    task = await made(tasks)
    old = holding(await claimed(tasks, "ann"))
    clock.at += 61
    new = holding(await claimed(tasks, "bob"))
    with pytest.raises(Conflict) as refused:
        await tasks.complete(task.task_id, MINE, old, "1")
    assert refused.value.code == "stale_token"
    assert (await tasks.complete(task.task_id, MINE, new, "2")).result == "2"
    assert [(one.agent_id, one.how) for one in await outcomes(database)] == [
        ("ann", How.LAPSED),
        ("bob", How.COMPLETED),
    ]


async def test_a_sweep_ends_leases_and_deadlines_of_all(tasks: Tasks, store: TaskStore, clock: SetClock) -> None:
    kept = await made(tasks)
    limited = await made(tasks, deadline=clock.at + 30, priority=0)
    await claimed(tasks, "ann")
    assert await tasks.sweep() == 0
    clock.at += 61
    assert await tasks.sweep() == 2
    assert (await store.get(kept.task_id, MINE)).state is TaskState.QUEUED
    assert (await store.get(limited.task_id, MINE)).state is TaskState.DEAD_LETTERED
    assert await tasks.sweep() == 0


async def test_a_heartbeat_keeps_a_task(tasks: Tasks, clock: SetClock) -> None:
    task = await made(tasks)
    mine = holding(await claimed(tasks, "ann"))
    clock.at += 50
    await tasks.heartbeat(task.task_id, MINE, mine)
    clock.at += 50
    assert await next_for(tasks, "bob") is None
    assert (await tasks.complete(task.task_id, MINE, mine, "1")).state is TaskState.COMPLETED


async def test_a_failed_task_comes_again_and_ends_as_a_dead_letter_that_a_person_revives(
    tasks: Tasks, clock: SetClock
) -> None:
    task = await made(tasks, attempts_max=2)
    for number in range(2):
        clock.at += 10
        failed = await tasks.fail(task.task_id, MINE, holding(await claimed(tasks, "ann")), f"broke {number}")
    assert failed.state is TaskState.DEAD_LETTERED
    assert await next_for(tasks, "ann") is None
    await tasks.retry(task.task_id, MINE)
    again = await claimed(tasks, "ann")
    assert (again.attempts, again.fence) == (1, 3)
    cancelled = await tasks.cancel(task.task_id, MINE)
    assert cancelled.state is TaskState.CANCELLED


async def test_the_same_key_makes_one_task_and_for_another_request_it_is_a_conflict(tasks: Tasks) -> None:
    told = await asyncio.gather(*(tasks.submit(NEW, "key") for _ in range(5)))
    assert len({one.task.task_id for one in told}) == 1
    assert [one.created for one in told].count(True) == 1
    again = await tasks.submit(NEW, "key")
    assert (again.task.task_id, again.created) == (told[0].task.task_id, False)
    with pytest.raises(Conflict):
        await tasks.submit(replace(NEW, priority=9), "key")
    assert (await tasks.submit(replace(NEW, created_by="otto"), "key")).created


async def test_an_organisation_has_a_bounded_number_of_open_tasks(
    tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("open_counts", "write_group"):
        monkeypatch.setattr(f"aragora.control_plane.store.{module}.OPEN_MAX", 3)
    told = await asyncio.gather(*(tasks.submit(NEW) for _ in range(5)), return_exceptions=True)
    assert [type(one) for one in told if isinstance(one, AragoraError)] == [RateLimited, RateLimited]
    await tasks.complete((task := await claimed(tasks, "ann")).task_id, MINE, holding(task), "1")
    assert (await tasks.submit(NEW)).created


async def test_a_registered_agent_need_not_say_what_it_can_do(tasks: Tasks, store: TaskStore) -> None:
    task = await made(tasks, capabilities=("gpu",))
    with pytest.raises(NotFound) as refused:
        await tasks.claim_next("org", "default", "ann")
    assert refused.value.code == "unknown_agent"
    agent = Agent("org", "default", "ann", ("cpu",), "pia", 1.0, 1.0)
    await store.register(agent)
    assert await tasks.claim_next("org", "default", "ann") is None
    kept = await store.register(replace(agent, capabilities=("cpu", "gpu"), registered_at=9.0, updated_at=9.0))
    assert (kept.registered_at, kept.updated_at) == (1.0, 9.0)
    assert await store.agents(MINE) == [kept]
    assert await store.agents(Scope("other", None)) == []
    assert (await tasks.claim(task.task_id, MINE, "ann")).agent_id == "ann"


async def test_a_task_out_of_scope_does_not_exist(tasks: Tasks, store: TaskStore) -> None:
    task = await made(tasks, workspace="legal")
    for scope in (Scope("other", None), Scope("org", frozenset({"default"})), Scope("org", frozenset())):
        with pytest.raises(NotFound):
            await store.get(task.task_id, scope)
        with pytest.raises(NotFound):
            await tasks.cancel(task.task_id, scope)
        assert (await store.page(scope, Wanted())).items == ()
    assert await next_for(tasks, "ann") is None


async def test_a_list_comes_in_pages_newest_first_and_filtered(tasks: Tasks, store: TaskStore, clock: SetClock) -> None:
    ids = []
    for number in range(5):
        clock.at += 1
        ids.append((await made(tasks, type="odd" if number % 2 else "even")).task_id)
    first = await store.page(MINE, Wanted(), limit=3)
    rest = await store.page(MINE, Wanted(), limit=3, cursor=first.next_cursor)
    assert [task.task_id for task in (*first.items, *rest.items)] == ids[::-1]
    assert rest.next_cursor is None
    assert [task.task_id for task in (await store.page(MINE, Wanted(type="odd"))).items] == [ids[3], ids[1]]
    await claimed(tasks, "ann")
    held = await store.page(MINE, Wanted(state=TaskState.CLAIMED, agent_id="ann"))
    assert [task.task_id for task in held.items] == [ids[0]]


async def test_a_text_that_no_database_holds_is_refused_alone(tasks: Tasks) -> None:
    told = await asyncio.gather(
        tasks.submit(NEW), tasks.submit(replace(NEW, type="a\0b")), tasks.submit(NEW), return_exceptions=True
    )
    assert [isinstance(one, InvalidInput) for one in told] == [False, True, False]


async def test_what_ended_long_ago_is_forgotten(tasks: Tasks, store: TaskStore, clock: SetClock) -> None:
    old, waits = await made(tasks), await made(tasks)
    first = await claimed(tasks, "ann")
    ended = await tasks.complete(first.task_id, MINE, holding(first), "1")
    assert ended.task_id in (old.task_id, waits.task_id)
    assert await store.forget(clock.at + RETAINED_S) == 0
    assert await store.forget(clock.at + RETAINED_S + 1) == 1
    with pytest.raises(NotFound):
        await store.get(ended.task_id, MINE)
    assert len(await store.outcomes(MINE, 0.0, 10)) == 1
    assert await store.forget(clock.at + ATTEMPTS_RETAINED_S + 1) == 1
    assert len((await store.page(MINE, Wanted())).items) == 1


@pytest.mark.slow
@pytest.mark.parametrize("settings", ["postgresql"], indirect=True)
async def test_a_claim_reads_the_queue_in_order_where_postgresql_knows_nothing_of_it(
    tasks: Tasks, database: Database
) -> None:
    await asyncio.gather(*(made(tasks, capabilities=(f"skill-{n % 3}",), payload='"x"') for n in range(300)))
    connection = await connect(database.location, **writer_postgres.IN_ORDER)
    try:
        for query, values in (
            (writer_postgres.GLIMPSE, ("org", "default", 2e9, 52)),
            (writer_postgres.QUEUED, ("org", "default", 2e9, ['["skill-1"]'], 1)),
        ):
            plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {query}", *values))
            assert "control_tasks_queued" in plan
            assert "Sort" not in plan
    finally:
        await connection.close()


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
async def test_a_claim_reads_neither_tasks_that_ended_nor_sorts_those_that_wait(database: Database) -> None:
    async with database.reading() as connection:
        for query, values in (
            (writer_sqlite.GLIMPSE, ("org", "default", 0.0, 0.0, 1)),
            (writer_sqlite.WANTED, ("org", "default")),
            (writer_sqlite.QUEUED, ("org", "default", 0.0, 0.0, "[]", 1)),
        ):
            plan = [row[3] for row in await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values)]
            assert "USING INDEX control_tasks_queued" in plan[0] or "COVERING INDEX control_tasks_queued" in plan[0]
            assert not any("ORDER BY" in step for step in plan)
