"""What executions have done outside: each ask is one task, until it is done, or nobody waits for it any more.

An ask that finds a store or an agent away, or takes too long, is tried again after a pause that grows: that is no
failure of its step. Any other error of the taxonomy is, and so is a defect, which the log tells.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from functools import partial
from typing import Any, Final

import structlog

from aragora.background import until_available
from aragora.errors import AragoraError, Conflict, NotFound, RateLimited, Unavailable
from aragora.supervision import begin
from aragora.workflows.machine.asking import Owed
from aragora.workflows.model import Accepted, Ask, ExecutionStarted, Failed, Reply
from aragora.workflows.ports import Doing

AT_ONCE: Final = 64  # asks that are begun at a time
DO_S: Final = 120.0  # for an ask to be done, or begun

Awaited = Callable[[str, str], bool]
"""Whether an execution, as far as is known, still waits for an ask: their ids."""
Settle = Callable[[str, Reply], Awaitable[bool]]
"""Gives an execution, by its id, the reply to an ask; returns whether it waited for that."""

log = structlog.get_logger("aragora.workflows")


class _Away(Exception):
    """What an ask needs is away."""


class Deeds:
    """The deeds of one engine. `pause_s` gives the seconds to wait before try n (0, 1, ...)."""

    def __init__(self, doing: Doing, awaited: Awaited, settle: Settle, pause_s: Callable[[int], float]) -> None:
        self._doing = doing
        self._awaited = awaited
        self._settle = settle
        self._pause_s = pause_s
        self._room = asyncio.Semaphore(AT_ONCE)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._leaving = False

    def __len__(self) -> int:
        """How many are under way."""
        return len(self._tasks)

    def begin(self, execution_id: str, asks: Iterable[Ask], started: ExecutionStarted) -> None:
        """Have these done, those that are under way not again."""
        for ask in asks:
            self.once(ask.ask_id, partial(self._do, execution_id, ask, started), "an ask of a step")

    def once(self, key: str, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        """Have something done that is not under way under this key; it is cut off with the rest. `name` is constant."""
        if key not in self._tasks and not self._leaving:
            task = self._tasks[key] = begin(work(), name)
            task.add_done_callback(partial(self._ended, key))

    def stop(self, owed: Owed, started: ExecutionStarted) -> None:
        """Have something stopped that is not wanted any more."""
        self.once(f"stop {owed.ask_id}", partial(self._stop, owed, started), "stopping what is not wanted")

    async def drain(self) -> int:
        """Begin nothing more, and cut off what is under way; returns how many that were."""
        self.leave()
        left = list(self._tasks.values())
        await asyncio.gather(*left, return_exceptions=True)
        return len(left)

    def leave(self) -> None:
        """As `drain`, without waiting for the end."""
        self._leaving = True
        for task in list(self._tasks.values()):
            task.cancel()

    def _ended(self, key: str, _: asyncio.Task[None]) -> None:
        self._tasks.pop(key, None)

    async def _do(self, execution_id: str, ask: Ask, started: ExecutionStarted) -> None:
        reply = await until_available(
            lambda: self._tried(execution_id, ask, started),
            self._pause_s,
            what="a step waits for what is away",
            log=log,
            retried=_Away,
            execution=execution_id,
            step=ask.step,
        )
        if reply is None:
            return
        waited_for = await self._settle(execution_id, reply)
        if isinstance(reply, Accepted) and not waited_for and not self._awaited(execution_id, ask.ask_id):
            await self._stop(Owed(ask.ask_id, ask.kind, reply.ref), started)

    async def _tried(self, execution_id: str, ask: Ask, started: ExecutionStarted) -> Reply | None:
        """One try at an ask; None where nobody waits for it any more. Raises _Away."""
        if not self._awaited(execution_id, ask.ask_id):
            return None
        try:
            async with self._room, asyncio.timeout(DO_S):
                return await self._doing.do(ask, started)
        except (Unavailable, RateLimited, TimeoutError) as away:
            raise _Away(str(away) or f"it took longer than {DO_S:.0f} s") from away
        except AragoraError as refused:
            return Failed(ask.ask_id, refused.code, refused.message, again=False)
        except Exception as error:  # whatever it is, the step has its end
            log.exception("a step failed by a defect", execution=execution_id, step=ask.step, error=repr(error))
            return Failed(ask.ask_id, "internal", "the server failed at this step: its log says more", again=True)

    async def _stop(self, owed: Owed, started: ExecutionStarted) -> None:
        try:
            await until_available(
                lambda: self._doing.stop(owed.kind, owed.ref, started),
                self._pause_s,
                what="something is not stopped yet",
                log=log,
                execution=started.execution_id,
            )
        except (NotFound, Conflict):
            log.debug("what an execution began is over", execution=started.execution_id, ref=owed.ref)
