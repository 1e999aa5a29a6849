"""The stored journals that clients may follow: those of debates, which have a last event, and those of executions.

An execution's journal has none. It is over once nothing comes of it by itself any more: it has ended, its receipt is
issued, and what it had begun is stopped. A person may have it tried again after that; then it goes on, and so does
whoever follows it anew from the last seq.
"""

from __future__ import annotations

from typing import Final, Protocol

from aragora.clock import Clock
from aragora.debate import journal
from aragora.scope import Scope
from aragora.server.ports import DebateReader, JournalState
from aragora.workflows.model import WIRE_NAMES, ExecutionEnded, LateAnswer, ReceiptIssued
from aragora.workflows.records import ExecutionRecord

AFTERWARDS_S: Final = 60.0
"""So long after its end an execution is followed for what is still owed: a receipt, or the bill of what was stopped."""


class Executions(Protocol):
    """Reads executions (`aragora.workflows.store.executions`)."""

    async def get(self, execution_id: str, scope: Scope) -> ExecutionRecord: ...

    async def events(self, execution_id: str, after: int = 0, limit: int = 500) -> list[str]: ...


class DebateJournals:
    """Fulfils `aragora.server.ports.Journals`."""

    ends: frozenset[str] = frozenset({journal.END})
    may_end: frozenset[str] = frozenset()

    def __init__(self, reader: DebateReader) -> None:
        self._reader = reader

    async def state(self, journal_id: str, scope: Scope) -> JournalState:
        """See the port."""
        record = await self._reader.get(journal_id, scope)
        return JournalState(record.last_seq, record.status.ended)

    async def events(self, journal_id: str, after: int = 0, limit: int = 500) -> list[str]:
        """See the port."""
        return await self._reader.events(journal_id, after, limit)

    def is_last(self, payload: str) -> bool:
        """See the port."""
        return journal.is_end(payload)


class ExecutionJournals:
    """Fulfils `aragora.server.ports.Journals`."""

    ends: frozenset[str] = frozenset()
    may_end: frozenset[str] = frozenset(WIRE_NAMES[one] for one in (ExecutionEnded, ReceiptIssued, LateAnswer))

    def __init__(self, executions: Executions, clock: Clock) -> None:
        self._executions = executions
        self._clock = clock

    async def state(self, journal_id: str, scope: Scope) -> JournalState:
        """See the port."""
        record = await self._executions.get(journal_id, scope)
        return JournalState(record.last_seq, is_over(record, self._clock.now()))

    async def events(self, journal_id: str, after: int = 0, limit: int = 500) -> list[str]:
        """See the port."""
        return await self._executions.events(journal_id, after, limit)

    def is_last(self, payload: str) -> bool:  # noqa: ARG002  the port's
        """See the port."""
        return False


def is_over(record: ExecutionRecord, now: float) -> bool:
    """Whether nothing more comes of an execution by itself: it has ended, and nothing is owed, or has been for too
    long."""
    if not record.status.ended:
        return False
    return not record.active or record.ended_at is None or now >= record.ended_at + AFTERWARDS_S
