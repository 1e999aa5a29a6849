"""Work beside the requests: a step at an interval, a call until it succeeds, a wait for a condition, a durable job.

Rules of `Every`
- The first step runs at once, each later one `interval_s` after the end of the one before, with some jitter so that
  processes that started together spread out. A step that returns True has more to do and is called again at once.
- A step that fails is logged, counted and tried again after a pause that grows with each failure in a row. An
  unexpected exception is logged with its traceback. Nothing but a cancellation that was asked for ends the loop
  (`aragora.supervision`).
- A step that takes longer than its interval is logged once, until one is in time again.

`Every` dies with its process and each process has its own. What must run once for all processes, and must be made up
after a restart, is a `Job`: the scheduler runs it (`actors.scheduler`).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog

from aragora.clock import Clock, SystemClock
from aragora.errors import AragoraError, Unavailable
from aragora.observability.line_budget import LineBudget
from aragora.resilience.backoff import Backoff
from aragora.supervision import FATAL, LOOPS, Loops, begin, ends_quietly, tell

AFTER_ERROR: Final = Backoff(base_s=1.0, cap_s=60.0)
JITTER: Final = 0.1  # share of the interval by which a pause may be shorter or longer

T = TypeVar("T")
Step = Callable[[], Awaitable[bool | None]]
Sleep = Callable[[float], Awaitable[None]]
Draw = Callable[[], float]
"""A random number, uniform in [0, 1)."""

_log: Final[structlog.stdlib.BoundLogger] = structlog.get_logger("aragora.background")


@dataclass(frozen=True, slots=True)
class Job:
    """Durable work of one feature, declared where it belongs: the scheduler runs it every `interval_s` seconds, on one
    process of the whole cluster.

    `run` returns one line that says what it did. It may be cut off and run again, so it must be idempotent. What it
    raises is recorded, and the job is tried again after a pause that grows.
    """

    name: str
    interval_s: float
    run: Callable[[], Awaitable[str]]


class Every:
    """Runs `step` at an interval. Use either `start` and `aclose`, or `run` inside a task of your own."""

    def __init__(
        self,
        name: str,
        interval_s: float,
        step: Step,
        *,
        after_error: Backoff = AFTER_ERROR,
        clock: Clock | None = None,
        sleep: Sleep = asyncio.sleep,
        draw: Draw = random.random,
        loops: Loops = LOOPS,
    ) -> None:
        """`name` appears in the log, in the metric of failures and in the health: few and constant names. `after_error`
        says how the pause after failures grows; it comes on top of the interval, or of the time after which the error
        asks to be tried again."""
        self._name = name
        self._interval_s = interval_s
        self._step = step
        self._after_error = after_error
        self._clock = clock or SystemClock()
        self._sleep = sleep
        self._draw = draw
        self._loops = loops
        self._failures = 0
        self._late = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Run in the background until `aclose`. Raises RuntimeError where it runs already."""
        if self._task is not None:
            raise RuntimeError(f"{self._name} runs already")
        self._task = begin(self.run(), self._name, loops=self._loops)

    async def aclose(self) -> None:
        """Cancel the step that may be running; returns when it has ended."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def run(self) -> None:
        """Run until cancelled."""
        try:
            while True:
                await self._sleep(await self._once())
        finally:
            self._loops.succeeded(self._name)  # it is no trouble of a process in which it does not run any more

    async def _once(self) -> float:
        """Take one step; returns the seconds to wait before the next."""
        began = self._clock.monotonic()
        try:
            more = await self._step()
        except BaseException as error:
            if ends_quietly(error):
                raise
            self._loops.failed(self._name, error)
            if isinstance(error, FATAL):
                raise
            ours = isinstance(error, AragoraError)
            pause = self._pause_after_error(error.retry_after_s if isinstance(error, AragoraError) else None)
            what = "background step failed" if ours else "background step broke"
            tell(what, self._name, error, retry_in_s=round(pause, 3))
            return pause
        self._loops.succeeded(self._name)
        self._failures = 0
        if more is True:
            return 0.0
        self._watch_lateness(self._clock.monotonic() - began)
        return self._interval_s * (1.0 + JITTER * (2.0 * self._draw() - 1.0))

    def _pause_after_error(self, retry_after_s: float | None) -> float:
        self._failures += 1
        return self._after_error.delay_s(self._failures, self._draw(), max(self._interval_s, retry_after_s or 0.0))

    def _watch_lateness(self, took_s: float) -> None:
        late = took_s > self._interval_s > 0.0
        if late and not self._late:
            _log.warning(
                "background step is slow", task=self._name, took_s=round(took_s, 3), interval_s=self._interval_s
            )
        self._late = late


def pauses(backoff: Backoff, draw: Draw = random.random) -> Callable[[int], float]:
    """The seconds to wait after failed try n (0, 1, ...) as `backoff` says."""
    return lambda attempt: backoff.delay_s(attempt + 1, draw())


async def until_available(
    act: Callable[[], Awaitable[T]],
    pause_s: Callable[[int], float],
    *,
    what: str,
    log: structlog.stdlib.BoundLogger = _log,
    retried: type[Exception] = Unavailable,
    never: tuple[type[Exception], ...] = (),
    given_up: Callable[[], bool] = lambda: False,
    lines: LineBudget | None = None,
    sleep: Sleep = asyncio.sleep,
    **fields: object,
) -> T:
    """The result of `act`, called until it does not raise `retried`.

    Args:
        act: called again after each failure; other errors pass through.
        pause_s: seconds to wait after failed try n (0, 1, ...).
        what: the event that is logged with each failure, with `fields`, the error and the pause.
        retried: the errors after which another try makes sense. With `Exception`, for work that must not end, each one
            counts as a failure of background work under the name `what`, until this call ends.
        never: of these, the errors after which none makes sense: they are raised.
        given_up: asked after each failure; where it is true, the error is raised.
        lines: where many calls fail at once for the same reason, the budget of lines that they share.
    """
    attempt = 0
    try:
        while True:
            try:
                return await act()
            except retried as error:
                ends = given_up() or isinstance(error, never)
                pause = pause_s(attempt)
                attempt += 1
                if retried is Exception:
                    LOOPS.failed(what, error)
                then: dict[str, object] = {"given_up": True} if ends else {"retry_in_s": round(pause, 3)}
                left_out = {} if lines is None else lines.take(asyncio.get_running_loop().time())
                if left_out is None:
                    log.debug(what, **fields, error=repr(error), **then)
                elif isinstance(error, AragoraError):
                    log.warning(what, **fields, error=error.message, **then, **left_out)
                else:
                    log.exception(what, **fields, error=repr(error), **then, **left_out)
                if ends:
                    raise
            await sleep(pause)
    finally:
        LOOPS.succeeded(what)  # also where it is given up: the caller has the error, and nothing is tried any more


async def wait_until(
    condition: Callable[[], Awaitable[bool]],
    *,
    limit_s: float,
    every_s: float,
    clock: Clock | None = None,
    sleep: Sleep = asyncio.sleep,
) -> bool:
    """Look every `every_s` seconds until `condition` holds; False where it does not within `limit_s` seconds."""
    clock = clock or SystemClock()
    deadline = clock.monotonic() + limit_s
    while not await condition():
        if clock.monotonic() >= deadline:
            return False
        await sleep(every_s)
    return True
