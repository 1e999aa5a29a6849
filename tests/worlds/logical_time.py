"""Time that passes only while everything waits: a test of seconds takes none, and a busy machine changes nothing.

For tests without threads, sockets and processes: when no callback is ready, the time of the next timer comes at once.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
import time
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

P = ParamSpec("P")


class LoopClock:
    """The clock of the running event loop: the machine's on an ordinary loop, logical in `in_logical_time`."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


def in_logical_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test on a loop of logical time. Async fixtures stay on the ordinary loop: such a test has none."""

    @functools.wraps(test)
    def run(*args: P.args, **named: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=LogicalLoop) as runner:
            runner.run(test(*args, **named))

    return run


class _LeapingSelector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.at_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(None if timeout is None else 0)  # without a timer, something else has to come
        if not ready and timeout is not None:
            self.at_s += max(0.0, timeout)
        return ready


class LogicalLoop(asyncio.SelectorEventLoop):
    """An event loop whose time begins at zero and leaps from timer to timer."""

    def __init__(self) -> None:
        self._leaping = _LeapingSelector()
        super().__init__(self._leaping)

    def time(self) -> float:
        return self._leaping.at_s
