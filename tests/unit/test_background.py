"""Background work: what follows from a step that succeeds, fails, breaks, is slow or has more to do. Nothing here
sleeps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import structlog
from structlog.testing import capture_logs

from aragora.background import Every, pauses, until_available, wait_until
from aragora.errors import AragoraError, Conflict, Unavailable
from aragora.resilience.backoff import Backoff
from aragora.supervision import LOOPS, PATIENCE

MIDDLE = 0.5  # a draw without jitter, and half of a backoff's ceiling


class Time:
    """A clock that only sleeping moves; the loop under test is cancelled at the end of `naps` naps."""

    def __init__(self, naps: int) -> None:
        self.naps = naps
        self.slept: list[float] = []
        self.at = 0.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.at += seconds
        if len(self.slept) >= self.naps:
            raise asyncio.CancelledError


async def slept_after(step: Callable[[Time], Awaitable[bool | None]], naps: int, draw: float = MIDDLE) -> list[float]:
    """The pauses that a loop of interval 10 s makes around `step`."""
    time = Time(naps)
    backoff = Backoff(base_s=2.0, cap_s=8.0)
    loop = Every(
        "sweeping", 10.0, lambda: step(time), after_error=backoff, clock=time, sleep=time.sleep, draw=lambda: draw
    )
    with pytest.raises(asyncio.CancelledError):
        await loop.run()
    return time.slept


async def test_a_step_runs_at_once_and_then_at_its_interval() -> None:
    at: list[float] = []

    async def step(time: Time) -> None:
        at.append(time.at)

    assert await slept_after(step, 3) == [10.0, 10.0, 10.0]
    assert at == [0.0, 10.0, 20.0]


@pytest.mark.parametrize(("draw", "pause"), [(0.0, 9.0), (0.5, 10.0), (0.999999999, 11.0)])
async def test_the_interval_has_a_tenth_of_jitter(draw: float, pause: float) -> None:
    async def step(_: Time) -> None: ...

    assert await slept_after(step, 1, draw) == [pause]


async def test_a_step_that_has_more_to_do_is_called_again_at_once() -> None:
    more = [True, True, False, True]

    async def step(_: Time) -> bool:
        return more.pop(0)

    assert await slept_after(step, 4) == [0.0, 0.0, 10.0, 0.0]


async def test_pauses_after_errors_grow_to_a_cap_on_top_of_the_interval_and_start_again_after_a_success() -> None:
    fails = [True, True, True, True, False, True]

    async def step(_: Time) -> None:
        if fails.pop(0):
            raise Unavailable("the disk is full")

    assert await slept_after(step, 6) == [11.0, 12.0, 14.0, 14.0, 10.0, 11.0]


async def test_an_error_that_says_when_to_try_again_is_heeded() -> None:
    async def step(_: Time) -> None:
        raise Unavailable("the provider is away", retry_after_s=60.0)

    assert await slept_after(step, 1) == [61.0]


async def test_an_error_is_logged_in_one_line_and_a_defect_with_its_traceback_and_both_leave_the_loop_alive() -> None:
    errors: list[Exception] = [Conflict("it is locked"), ZeroDivisionError("nothing is left")]

    async def step(_: Time) -> None:
        if errors:
            raise errors.pop(0)

    with capture_logs() as logs:
        assert await slept_after(step, 3) == [11.0, 12.0, 10.0]
    failed, broke = logs
    assert (failed["event"], failed["task"], failed["error"]) == ("background step failed", "sweeping", "it is locked")
    assert "exc_info" not in failed
    assert (broke["event"], str(broke["exc_info"])) == ("background step broke", "nothing is left")
    assert "nothing is left" in broke["error"]


async def test_a_step_longer_than_its_interval_is_logged_once_until_one_is_in_time() -> None:
    takes = [11.0, 11.0, 1.0, 12.0]

    async def step(time: Time) -> None:
        time.at += takes.pop(0)

    with capture_logs() as logs:
        await slept_after(step, 4)
    assert [(line["event"], line["took_s"]) for line in logs] == [
        ("background step is slow", 11.0),
        ("background step is slow", 12.0),
    ]


async def test_closing_cancels_the_running_step_and_waits_for_its_end() -> None:
    events: list[str] = []
    stepping = asyncio.Event()

    async def step() -> None:
        stepping.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            events.append("cleaned up")

    loop = Every("sweeping", 10.0, step)
    loop.start()
    await stepping.wait()
    await loop.aclose()
    assert events == ["cleaned up"]
    await loop.aclose()


async def test_starting_twice_is_refused_and_starting_after_the_end_is_not() -> None:
    steps = 0

    async def step() -> None:
        nonlocal steps
        steps += 1

    loop = Every("sweeping", 10.0, step)
    loop.start()
    with pytest.raises(RuntimeError, match="sweeping runs already"):
        loop.start()
    await asyncio.sleep(0)
    await loop.aclose()
    loop.start()
    await asyncio.sleep(0)
    await loop.aclose()
    assert steps == 2


async def test_a_call_is_tried_until_the_store_answers_and_each_failure_is_logged() -> None:
    answers: list[int | Exception] = [Unavailable("away"), Unavailable("still away"), 7]
    time = Time(99)

    async def act() -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with capture_logs() as logs:
        result = await until_available(
            act, float, what="store not reached", log=structlog.get_logger(), sleep=time.sleep, shard=3
        )
    assert result == 7
    assert time.slept == [0.0, 1.0]
    assert [(line["event"], line["shard"], line["error"], line["retry_in_s"]) for line in logs] == [
        ("store not reached", 3, "away", 0.0),
        ("store not reached", 3, "still away", 1.0),
    ]


async def test_only_the_named_errors_are_tried_again() -> None:
    async def act() -> None:
        raise Conflict("taken")

    with pytest.raises(Conflict):
        await until_available(act, float, what="store not reached")

    time = Time(1)
    with pytest.raises(asyncio.CancelledError):
        await until_available(act, float, what="store not reached", retried=AragoraError, sleep=time.sleep)


async def test_work_that_must_not_end_is_in_trouble_after_errors_of_any_kind_until_it_succeeds() -> None:
    seen: list[bool] = []

    async def act() -> None:
        seen.append("not started" in LOOPS.troubled())
        if len(seen) <= PATIENCE:
            raise Unavailable("away")

    await until_available(act, float, what="not started", retried=Exception, sleep=Time(99).sleep)
    assert seen == [False, False, False, True]
    assert "not started" not in LOOPS.troubled()


async def test_errors_after_which_no_try_makes_sense_are_raised() -> None:
    async def act() -> None:
        raise Conflict("taken")

    with pytest.raises(Conflict):
        await until_available(act, float, what="not started", retried=Exception, never=(Conflict,))


async def test_a_caller_that_gives_up_gets_the_error_without_another_pause() -> None:
    time = Time(99)

    async def act() -> None:
        raise Unavailable("away")

    with pytest.raises(Unavailable):
        await until_available(act, float, what="store not reached", given_up=lambda: time.at >= 3.0, sleep=time.sleep)
    assert time.slept == [0.0, 1.0, 2.0]


def test_pauses_follow_the_backoff_from_its_first_attempt() -> None:
    pause_s = pauses(Backoff(base_s=2.0, cap_s=6.0), lambda: MIDDLE)
    assert [pause_s(attempt) for attempt in range(4)] == [1.0, 2.0, 3.0, 3.0]


async def test_a_condition_is_looked_at_until_it_holds_or_its_time_is_over() -> None:
    time = Time(99)

    async def after_two_s() -> bool:
        return time.at >= 2.0

    assert await wait_until(after_two_s, limit_s=5.0, every_s=0.5, clock=time, sleep=time.sleep)
    assert time.at == 2.0

    async def never() -> bool:
        return False

    assert not await wait_until(never, limit_s=5.0, every_s=0.5, clock=time, sleep=time.sleep)
    assert time.at == 7.0
