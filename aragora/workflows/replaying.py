"""An execution's state as its journal tells it, for those who only look."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from aragora.errors import Conflict
from aragora.workflows import journal, machine
from aragora.workflows.machine.state import ExecutionState
from aragora.workflows.ports import Definitions
from aragora.workflows.records import ExecutionRecord

PAGE: Final = 500


class Journals(Protocol):
    """Reads journals (`aragora.workflows.store.executions`)."""

    async def journal(self, execution_id: str, after: int = 0, limit: int = 500) -> list[str]: ...


async def replayed(record: ExecutionRecord, journals: Journals, definitions: Definitions) -> tuple[ExecutionState, int]:
    """The state, and its last seq. Raises NotFound (its definition is gone), Unreadable, ValueError, Unavailable."""
    payloads: list[str] = []
    while page := await journals.journal(record.execution_id, len(payloads), PAGE):
        payloads += page
        if len(page) < PAGE:
            break
    pinned = await definitions.pinned(record.workflow_id, record.version)

    def replay() -> ExecutionState:
        events = journal.events_of(payloads)
        stamps = [journal.stamp_of(payload) for payload in payloads]
        return machine.replay(pinned.definition, zip(stamps, events, strict=True))

    state = replay() if len(payloads) < PAGE else await asyncio.to_thread(replay)
    return state, len(payloads)


def damaged() -> Conflict:
    """The error for an execution that cannot be read."""
    return Conflict("The execution cannot be read any more: its journal is damaged.", code="execution_unreadable")
