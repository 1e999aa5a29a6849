"""The table of jobs: taken over by the newest scheduler, closed to older ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from aragora.errors import Fenced
from aragora.scheduling import JobState
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.jobs import JobStore


@pytest.fixture
def store(opened: Callable[[Context], Database]) -> JobStore:
    return JobStore(opened(Context.CORE))


async def test_jobs_that_are_new_are_due_and_known_ones_are_remembered(store: JobStore) -> None:
    epoch, found = await store.take(["prune"], 100.0)
    assert found == [JobState("prune", 100.0)]
    state = JobState("prune", 900.0, None, 100.0, 1, 2, "disk full", "forgot 3 rows")
    await store.save(state, epoch)

    later, found = await store.take(["report", "prune"], 500.0)
    assert later > epoch
    assert found == [state, JobState("report", 500.0)]


async def test_a_job_that_is_no_longer_declared_is_forgotten(store: JobStore) -> None:
    await store.take(["prune", "report"], 100.0)
    await store.take(["report"], 200.0)
    _, found = await store.take(["prune", "report"], 300.0)
    assert found == [JobState("prune", 300.0), JobState("report", 100.0)]


async def test_what_an_older_scheduler_writes_is_refused(store: JobStore) -> None:
    old, (state,) = await store.take(["prune"], 100.0)
    new, _ = await store.take(["prune"], 200.0)
    with pytest.raises(Fenced):
        await store.save(replace(state, runs=1), old)
    await store.save(replace(state, runs=2), new)
    _, found = await store.take(["prune"], 300.0)
    assert [job.runs for job in found] == [2]


async def test_without_jobs_there_is_nothing_to_own(store: JobStore) -> None:
    assert await store.take([], 100.0) == (0, [])


async def test_of_schedulers_that_start_at_once_the_last_one_owns_the_jobs(
    opened: Callable[[Context], Database],
) -> None:
    stores = [JobStore(opened(Context.CORE)) for _ in range(4)]
    taken = await asyncio.gather(*(store.take(["prune", "report"], 100.0) for store in stores))
    epochs = [epoch for epoch, _ in taken]
    assert len(set(epochs)) == 4
    state = taken[0][1][0]
    for store, epoch in zip(stores, epochs, strict=True):
        if epoch == max(epochs):
            await store.save(state, epoch)
        else:
            with pytest.raises(Fenced):
                await store.save(state, epoch)
