"""The receipt of an execution that has ended: asked for once the end is durable, journaled once it is in the chain.

The chain and the journal are two stores. A crash between them does no harm: the row stays active until the receipt is
journaled, so the next runner asks again, and the chain gives the receipt that is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import structlog

from aragora.background import until_available
from aragora.errors import AragoraError
from aragora.workflows.machine.state import ExecutionState
from aragora.workflows.model import ReceiptIssued
from aragora.workflows.ports import Definitions, Proving, Reading
from aragora.workflows.proof import owes_receipt
from aragora.workflows.running.course import Course

PAGE: Final = 1_000
AT_ONCE: Final = 8  # whole journals in memory
LONG: Final = 2_000  # rows: of such journals one at a time

log = structlog.get_logger("aragora.workflows")


class Concluding:
    """Without `proving` no execution has a receipt. `course` gives an execution from memory or its journal."""

    def __init__(
        self,
        proving: Proving | None,
        reading: Reading,
        definitions: Definitions,
        course: Callable[[str], Awaitable[Course]],
        pause_s: Callable[[int], float],
    ) -> None:
        self._proving = proving
        self._reading = reading
        self._definitions = definitions
        self._course = course
        self._pause_s = pause_s
        self._room = asyncio.Semaphore(AT_ONCE)
        self._room_for_long = asyncio.Semaphore(1)

    def owed(self, state: ExecutionState) -> bool:
        """Whether a receipt is to be issued."""
        return self._proving is not None and owes_receipt(state)

    async def conclude(self, execution_id: str) -> None:
        """Issue and journal what is owed of an execution. What is away is waited for; for any other failure the log
        says why, and the next start tries again."""
        try:
            await until_available(
                partial(self._concluded, execution_id),
                self._pause_s,
                what="a receipt of an execution waits",
                log=log,
                execution=execution_id,
            )
        except Exception as error:  # the execution has ended whatever becomes of its receipt
            log.exception("an execution has no receipt yet", execution=execution_id, error=repr(error))

    async def _concluded(self, execution_id: str) -> None:
        course = await self._course(execution_id)
        await course.settled()
        while self._proving is not None and self.owed(course.state):
            async with self._room if course.seq <= LONG else self._room_for_long:
                receipts = await self._issued(self._proving, course)
            if not receipts:
                raise AragoraError(
                    "its journal owes no receipt although its state does: this is a defect of the server"
                )
            for issued in receipts:
                await course.move(partial(_journaled, issued))
            course = await self._course(execution_id)
            await course.settled()

    async def _issued(self, proving: Proving, course: Course) -> tuple[ReceiptIssued, ...]:
        started = course.state.started
        assert started is not None, "it has ended"
        payloads: list[str] = []
        while page := await self._reading.journal(course.execution_id, len(payloads), PAGE):
            payloads += page
        pinned = await self._definitions.pinned(started.workflow_id, started.version)
        return await proving.prove(course.execution_id, pinned.definition, payloads)


def _journaled(issued: ReceiptIssued, state: ExecutionState, _: float) -> ReceiptIssued | None:
    return None if state.receipt_id == issued.receipt_id else issued
