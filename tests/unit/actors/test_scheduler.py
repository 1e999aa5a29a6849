"""The scheduler over a table in memory: runs, failures, restarts, and another scheduler that takes over."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import pytest
from structlog.testing import capture_logs
from worlds.logical_time import in_logical_time

from actors.scheduler import LAST_WRITE_S, Scheduler
from aragora.background import Job
from aragora.errors import Fenced, Unavailable
from aragora.scheduling import DIED, JobState

DAY = 86_400.0


class Table:
    """What the store does, in memory."""

    def __init__(self) -> None:
        self.rows: dict[str, JobState] = {}
        self.epoch = 0
        self.away = False
        self.refuses_results = False
        self.unanswered = 0  # how many writes are made but never answered

    async def take(self, names: Collection[str], now: float) -> tuple[int, list[JobState]]:
        if self.away:
            raise Unavailable("the disk is full")
        self.epoch += 1
        self.rows = {name: self.rows.get(name, JobState(name, now)) for name in names}
        return self.epoch, list(self.rows.values())

    async def save(self, state: JobState, epoch: int) -> None:
        if self.away:
            raise Unavailable("the disk is full")
        if epoch != self.epoch:
            raise Fenced("another scheduler owns the jobs")
        if self.refuses_results and state.started_at is None:
            raise ValueError("invalid byte sequence")
        self.rows[state.name] = state
        if self.unanswered:
            self.unanswered -= 1
            await asyncio.Event().wait()


class Time:
    at = 1_000_000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


class Work:
    """The jobs of a test: they count their runs, and end when `may_end` is set."""

    def __init__(self) -> None:
        self.runs = 0
        self.error: Exception | None = None
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def run(self) -> str:
        self.runs += 1
        await self.may_end.wait()
        if self.error is not None:
            raise self.error
        return f"run {self.runs}"


class World:
    def __init__(self) -> None:
        self.table, self.time, self.work = Table(), Time(), Work()

    def scheduler(self, *names: str) -> Scheduler:
        jobs = [Job(name, DAY, self.work.run) for name in names or ("prune",)]
        return Scheduler(jobs, self.table, self.time, lambda: 0.5)


@pytest.fixture
def world() -> World:
    return World()


async def settled() -> None:
    """Let the runs go as far as they can: memory answers within a few turns of the loop."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_new_job_runs_at_once_and_then_a_day_later(world: World) -> None:
    scheduler = world.scheduler()
    began = world.time.at
    await scheduler.step()
    await settled()
    assert scheduler.status() == (JobState("prune", began + DAY, last_run=began, runs=1, last_result="run 1"),)
    assert world.table.rows["prune"] == scheduler.status()[0]

    world.time.at += DAY - 1
    await scheduler.step()
    world.time.at += 1
    await scheduler.step()
    await settled()
    assert world.work.runs == 2


async def test_a_job_that_still_runs_does_not_begin_again_and_does_not_hold_back_others(world: World) -> None:
    world.work.may_end.clear()
    scheduler = world.scheduler("prune", "report")
    await scheduler.step()
    await settled()
    world.time.at += 3 * DAY
    await scheduler.step()
    await settled()
    assert world.work.runs == 2
    await scheduler.aclose()


async def test_a_job_that_fails_is_recorded_and_tried_again_after_its_pause(world: World) -> None:
    world.work.error = Unavailable("the disk is full")
    scheduler = world.scheduler()
    await scheduler.step()
    await settled()
    (state,) = scheduler.status()
    assert (state.failures, state.last_error, state.next_run) == (1, "the disk is full", world.time.at + 60.0)

    world.work.error = ZeroDivisionError("no rows")
    world.time.at += 60.0
    with capture_logs() as logs:
        await scheduler.step()
        await settled()
    (state,) = scheduler.status()
    assert (state.failures, state.last_error) == (2, "ZeroDivisionError('no rows')")
    assert [(line["event"], line["exc_info"]) for line in logs if line["event"] == "job failed"] == [
        ("job failed", True)
    ]


async def test_runs_missed_between_two_schedulers_are_made_up_once(world: World) -> None:
    await world.scheduler().step()
    await settled()
    world.time.at += 10 * DAY
    second = world.scheduler()
    await second.step()
    await settled()
    await second.step()
    await settled()
    assert world.work.runs == 2


async def test_a_claimed_run_whose_process_died_counts_as_failed_for_the_next_scheduler(world: World) -> None:
    world.work.may_end.clear()
    await world.scheduler().step()
    await settled()
    world.time.at += 1
    second = world.scheduler()
    await second.step()
    (state,) = second.status()
    assert (state.failures, state.last_error, state.started_at) == (1, DIED, None)
    assert world.table.rows["prune"] == state
    assert world.work.runs == 1


async def test_a_drain_cuts_off_what_runs_and_the_next_scheduler_makes_it_up(world: World) -> None:
    world.work.may_end.clear()
    first = world.scheduler()
    await first.step()
    await settled()
    await first.aclose()
    world.work.may_end.set()
    second = world.scheduler()
    await second.step()
    await settled()
    (state,) = second.status()
    assert (state.failures, state.last_result, world.work.runs) == (0, "run 2", 2)


async def test_a_claim_that_a_drain_cuts_off_is_due_at_the_next_start(world: World) -> None:
    world.table.unanswered = 1
    first = world.scheduler()
    first.start()
    await settled()
    assert world.table.rows["prune"].started_at is not None, "the claim is in the store"
    await first.aclose()
    assert world.work.runs == 0
    second = world.scheduler()
    await second.step()
    await settled()
    (state,) = second.status()
    assert (state.failures, state.last_result) == (0, "run 1")


async def test_a_run_that_has_ended_is_recorded_by_the_drain_where_it_was_not_yet(world: World) -> None:
    world.work.may_end.clear()
    first = world.scheduler()
    await first.step()
    await settled()
    world.table.away = True
    world.work.may_end.set()
    await settled()
    world.table.away = False
    await first.aclose()
    second = world.scheduler()
    await second.step()
    await settled()
    (state,) = second.status()
    assert (state.failures, state.last_result, world.work.runs) == (0, "run 1", 1)


@in_logical_time
async def test_a_drain_does_not_wait_for_a_store_that_does_not_answer() -> None:
    world = World()
    world.work.may_end.clear()
    scheduler = world.scheduler()
    scheduler.start()
    await settled()
    world.table.unanswered = 1
    began = asyncio.get_running_loop().time()
    with capture_logs() as logs:
        await scheduler.aclose()
    assert asyncio.get_running_loop().time() - began == pytest.approx(LAST_WRITE_S, abs=0.1)
    assert [line["event"] for line in logs] == ["job not recorded"]


async def test_a_job_whose_end_the_store_refuses_goes_on(world: World) -> None:
    scheduler = world.scheduler()
    world.table.refuses_results = True
    with capture_logs() as logs:
        await scheduler.step()
        await settled()
    assert ("job not recorded", "error") in [(line["event"], line["log_level"]) for line in logs]
    world.time.at += DAY
    world.table.refuses_results = False
    await scheduler.step()
    await settled()
    assert world.table.rows["prune"].last_result == "run 2"


async def test_a_scheduler_that_has_a_successor_begins_and_records_nothing(world: World) -> None:
    world.work.may_end.clear()
    old = world.scheduler()
    await old.step()
    await settled()
    new = world.scheduler()
    await new.step()
    before = dict(world.table.rows)

    world.work.may_end.set()
    with capture_logs() as logs:
        await settled()
        world.time.at += 2 * DAY
        await old.step()
        await settled()
    assert world.table.rows == before
    assert world.work.runs == 1
    assert [line["event"] for line in logs].count("another scheduler owns the jobs now: stepping down") == 1


async def test_a_scheduler_that_was_not_running_anything_is_refused_at_its_next_claim(world: World) -> None:
    old = world.scheduler()
    await old.step()
    await settled()
    await world.scheduler().step()
    world.time.at += DAY
    await old.step()
    await settled()
    assert world.work.runs == 1


async def test_a_store_that_is_away_is_tried_again_and_no_run_begins_unclaimed(world: World) -> None:
    scheduler = world.scheduler()
    world.table.away = True
    with pytest.raises(Unavailable):
        await scheduler.step()
    assert scheduler.status() == ()
    world.table.away = False
    await scheduler.step()
    await settled()
    world.time.at += DAY
    world.table.away = True
    with pytest.raises(Unavailable):
        await scheduler.step()
    assert world.work.runs == 1
    world.table.away = False
    await scheduler.step()
    await settled()
    assert world.work.runs == 2


async def test_two_jobs_of_one_name_are_refused(world: World) -> None:
    with pytest.raises(ValueError, match="same name"):
        world.scheduler("prune", "prune")
