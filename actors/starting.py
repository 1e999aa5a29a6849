"""The start of an actor that needs its store first: it begins with the process, is tried again until it succeeds, and
messages wait for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

import structlog

from actors.served_here import NotServed
from aragora.background import until_available
from aragora.errors import Misconfigured, Unavailable
from aragora.supervision import begin

T = TypeVar("T")

ASK_AGAIN_S: Final = 2.0


class Starting(Generic[T]):
    """One actor's start, whose result is `T`. Begins at once; belongs to one event loop.

    Args:
        start: gives back what it had begun where it fails.
        what: whose start it is, for the log.
        pause_s: seconds to wait after failed try n (0, 1, ...).
        limit_s: seconds that a message waits.
        told: what a caller hears after that.
    """

    def __init__(
        self,
        start: Callable[[], Awaitable[T]],
        *,
        what: str,
        pause_s: Callable[[int], float],
        limit_s: float,
        told: str,
        log: structlog.stdlib.BoundLogger,
    ) -> None:
        self._start = start
        self._what = what
        self._pause_s = pause_s
        self._limit_s = limit_s
        self._told = told
        self._log = log
        self._task = self._begin()

    async def done(self) -> T:
        """The result, once there is one. Raises Unavailable where it takes longer than the limit, or the process ends;
        Misconfigured and NotServed, and this call begins the next try: an operator may have mended it meanwhile."""
        if self._failed():
            self._task = self._begin()
        task = self._task
        try:
            return await asyncio.wait_for(asyncio.shield(task), self._limit_s)
        except TimeoutError:
            raise Unavailable(f"{self._told}: try again", retry_after_s=ASK_AGAIN_S) from None
        except asyncio.CancelledError:
            if task.cancelled() and not _is_cancelled():
                raise Unavailable(f"the {self._what} ends: try again", retry_after_s=ASK_AGAIN_S) from None
            raise

    def anew(self, result: T) -> None:
        """Start anew, where `result` is what the last start gave: it is of no more use."""
        if self._task.done() and not self._task.cancelled() and not self._failed() and self._task.result() is result:
            self._task = self._begin()

    def cancel(self) -> None:
        """Try no more."""
        self._task.cancel()

    def _failed(self) -> bool:
        return self._task.done() and not self._task.cancelled() and self._task.exception() is not None

    def _begin(self) -> asyncio.Task[T]:
        return begin(self._at_last(), f"start of a {self._what}")

    async def _at_last(self) -> T:
        return await until_available(
            self._start,
            self._pause_s,
            what=f"{self._what} not started",
            log=self._log,
            retried=Exception,
            never=(Misconfigured, NotServed),
        )


def _is_cancelled() -> bool:
    """Whether the current task itself was asked to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
