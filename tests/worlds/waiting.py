"""Waiting for a condition, the one place where tests sleep.

The deadlines are long because they only end a test that has failed already: on a busy machine a process may get no
processor for seconds.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar, cast

WAIT_S: Final = 60.0  # for anything whose duration is not what a test is about
PAUSE_S: Final = 0.005

T = TypeVar("T")


async def eventually(
    condition: Callable[[], T | Awaitable[T]], what: str = "", deadline_s: float = WAIT_S, pause_s: float = PAUSE_S
) -> T:
    """What `condition` (a function, plain or async) returns as soon as that is true, while the event loop goes on.

    Raises AssertionError, with `what` was waited for, after `deadline_s` seconds.
    """
    deadline = time.monotonic() + deadline_s
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return cast("T", value)
        _check(deadline, deadline_s, what, condition, value)
        await asyncio.sleep(pause_s)


def wait_until(condition: Callable[[], T], what: str = "", deadline_s: float = WAIT_S, pause_s: float = PAUSE_S) -> T:
    """As `eventually`, for code without an event loop."""
    deadline = time.monotonic() + deadline_s
    while not (value := condition()):
        _check(deadline, deadline_s, what, condition, value)
        time.sleep(pause_s)
    return value


def _check(deadline: float, deadline_s: float, what: str, condition: object, value: object) -> None:
    if time.monotonic() > deadline:
        raise AssertionError(f"not within {deadline_s:g} s: {what or condition}; the last answer: {value!r}")
