"""The scheduler of durable jobs: one actor `scheduler/main` for the whole cluster.

It owns the table of jobs by an epoch: the process that started last has the highest, and the store refuses what an
older one writes. A run is claimed in the store before it begins, so an older process cannot begin one either. The
rules are in `aragora.scheduling`, what there is to do in `aragora.composition.jobs`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection, Sequence
from typing import Final, Protocol

import structlog

from actors.kinds import SCHEDULER
from actors.served_here import ServedJobs
from actors.virtual import VirtualActor
from aragora.background import Draw, Every, Job, pauses, until_available
from aragora.clock import Clock
from aragora.config.settings import Settings
from aragora.errors import AragoraError, Fenced
from aragora.resilience.backoff import Backoff
from aragora.scheduling import JobState, begun, due, failed, stopped, succeeded, taken_over
from aragora.storage.contexts import Context
from aragora.supervision import begin

TICK_S: Final = 1.0
"""How often the scheduler looks for due jobs. It looks into its memory: the store is asked only about runs."""
_WRITE_AGAIN: Final = pauses(Backoff(base_s=0.5, cap_s=30.0))
LAST_WRITE_S: Final = 3.0
"""How long a write of a drain may take: the server waits ten seconds for all of the drain."""

log = structlog.get_logger("aragora.scheduler")


class SchedulerActor(VirtualActor):
    """The actor; `key` is always `main`."""

    def __init__(self, key: str, settings: Settings) -> None:
        super().__init__(key, settings)
        jobs: Sequence[Job] = SCHEDULER.bring(self._open, settings)
        self._scheduler = Scheduler(jobs, ServedJobs(self._open(Context.CORE)), self._clock)
        self._scheduler.start()

    async def status(self) -> tuple[JobState, ...]:
        """Every job by name; empty until the store was reached once."""
        return self._scheduler.status()

    async def drain(self) -> None:
        """Begin nothing more and cut off what runs; it is made up at the next start."""
        await self._scheduler.aclose()
        await self._close()


class JobTable(Protocol):
    """Where jobs are remembered; see `aragora.storage.jobs.JobStore`."""

    async def take(self, names: Collection[str], now: float) -> tuple[int, list[JobState]]: ...

    async def save(self, state: JobState, epoch: int) -> None: ...


class Scheduler:
    """Runs each job when it is due, beside the others, one run of it at a time."""

    def __init__(self, jobs: Sequence[Job], table: JobTable, clock: Clock, draw: Draw = random.random) -> None:
        """Raises ValueError where two jobs have one name."""
        self._jobs = {job.name: job for job in jobs}
        if len(self._jobs) < len(jobs):
            raise ValueError("two jobs have the same name")
        self._table = table
        self._clock = clock
        self._draw = draw
        self._epoch: int | None = None
        self._states: dict[str, JobState] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._stepped_down = False
        self._loop = Every("scheduler", TICK_S, self.step)

    def start(self) -> None:
        """Run in the background until `aclose`."""
        self._loop.start()

    async def aclose(self) -> None:
        """Begin nothing more, cut off what runs; returns when that has ended."""
        await self._loop.aclose()
        running = tuple(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def status(self) -> tuple[JobState, ...]:
        """Every job by name."""
        return tuple(self._states[name] for name in sorted(self._states))

    async def step(self) -> None:
        """Take the jobs over, where that is still to be done, and begin those that are due. Raises Unavailable."""
        if self._stepped_down:
            return
        now = self._clock.now()
        try:
            epoch = self._epoch
            if epoch is None:
                epoch = self._epoch = await self._take(now)
            for name in due(self._states.values(), now):
                job = self._jobs[name]
                claim = begun(self._states[name], job.interval_s, now, self._draw())
                await self._claim(claim, epoch)
                self._states[name] = claim
                self._begin(job, claim, epoch)
        except Fenced as error:
            self._step_down(error)

    async def _take(self, now: float) -> int:
        epoch, found = await self._table.take(self._jobs, now)
        for before in found:
            state = taken_over(before, self._jobs[before.name].interval_s, now)
            if state != before:
                await self._table.save(state, epoch)
            self._states[state.name] = state
        log.info("scheduler ready", epoch=epoch, jobs=len(found))
        return epoch

    async def _claim(self, claim: JobState, epoch: int) -> None:
        try:
            await self._table.save(claim, epoch)
        except asyncio.CancelledError:  # it may be in the store already, and no run follows
            await self._save_at_last(stopped(claim, self._clock.now()), epoch)
            raise

    def _begin(self, job: Job, claim: JobState, epoch: int) -> None:
        task = begin(self._run(job, claim, epoch), f"job {job.name}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, job: Job, claim: JobState, epoch: int) -> None:
        try:
            result = await job.run()
        except asyncio.CancelledError:
            await self._save_at_last(stopped(claim, self._clock.now()), epoch)
            raise
        except Exception as error:
            text = error.message if isinstance(error, AragoraError) else repr(error)
            log.warning("job failed", job=job.name, error=text, exc_info=not isinstance(error, AragoraError))
            state = failed(claim, job.interval_s, self._clock.now(), self._draw(), text)
        else:
            log.info("job done", job=job.name, result=result)
            state = succeeded(claim, job.interval_s, self._clock.now(), result)
        await self._record(state, epoch)

    async def _record(self, state: JobState, epoch: int) -> None:
        """In memory only once it is in the store: until then the job counts as running and does not begin anew. Where
        the store refuses the state itself, memory alone has it, and the job goes on."""
        try:
            await until_available(
                lambda: self._table.save(state, epoch), _WRITE_AGAIN, what="job not recorded", log=log, job=state.name
            )
        except asyncio.CancelledError:
            await self._save_at_last(state, epoch)
            raise
        except Fenced as error:
            self._step_down(error)
            return
        except Exception as error:
            log.exception("job not recorded", job=state.name, error=repr(error))
        self._states[state.name] = state

    async def _save_at_last(self, state: JobState, epoch: int) -> None:
        """One more write in a drain. Where it fails, the next scheduler finds the claim and waits for its pause."""
        try:
            async with asyncio.timeout(LAST_WRITE_S):
                await self._table.save(state, epoch)
        except Exception as error:  # noqa: BLE001  whatever fails here, the drain goes on
            log.warning("job not recorded", job=state.name, error=repr(error))

    def _step_down(self, error: Fenced) -> None:
        if not self._stepped_down:
            self._stepped_down = True
            log.warning("another scheduler owns the jobs now: stepping down", error=error.message)
