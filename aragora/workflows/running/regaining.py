"""Executions that this runner must go on with although nothing happens to them: those that it finds at its start, and
those of which it lost its state.

A store that is away in that moment is waited for: nobody else would come back to them before the next start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from aragora.background import until_available
from aragora.errors import AragoraError
from aragora.observability.line_budget import LineBudget
from aragora.supervision import begin

AT_ONCE: Final = 32
"""Executions that are read at a time: a start may find thousands."""

log: Final = structlog.get_logger("aragora.workflows")


class Regaining:
    """`woken` goes on with an execution as its journal says, and raises AragoraError; `leaving` says whether the runner
    takes nothing any more; `pause_s` gives the seconds to wait before try n (0, 1, ...)."""

    def __init__(
        self, woken: Callable[[str], Awaitable[bool]], leaving: Callable[[], bool], pause_s: Callable[[int], float]
    ) -> None:
        self._woken = woken
        self._leaving = leaving
        self._pause_s = pause_s
        self._lines = LineBudget()
        self._under_way: set[str] = set()
        self._room = asyncio.Semaphore(AT_ONCE)

    def begin(self, execution_id: str) -> None:
        """Go on with an execution in the background, once the store gives it."""
        if execution_id not in self._under_way:
            self._under_way.add(execution_id)
            begin(self._regain(execution_id), "going on with an execution")

    async def _regain(self, execution_id: str) -> None:
        try:
            await until_available(
                lambda: self._in_turn(execution_id),
                self._pause_s,
                what="an execution waits for its store",
                log=log,
                given_up=self._leaving,
                lines=self._lines,
                execution=execution_id,
            )
        except AragoraError as refused:
            if not self._leaving():
                log.warning("an execution was not woken", execution=execution_id, error=refused.message)
        finally:
            self._under_way.discard(execution_id)

    async def _in_turn(self, execution_id: str) -> bool:
        async with self._room:
            return await self._woken(execution_id)
