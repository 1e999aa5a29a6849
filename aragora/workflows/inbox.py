"""What is written beside the journal, in the same transaction: the inbox of people, and what webhooks tell.

Where the inbox is in Redis, the rows are written all the same and a row of the outbox tells of each: its consumer puts
them there, at least once. A newer version is never overwritten by an older one, so it may come twice, and late.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from aragora.encoding import decode_as, encode_text
from aragora.errors import NotFound
from aragora.scope import EVERYTHING
from aragora.storage.outbox import OutboxRow
from aragora.workflows import telling
from aragora.workflows.approvals import ApprovalRecord, ApprovalRequestStore
from aragora.workflows.approving import ApprovalState
from aragora.workflows.machine.state import ExecutionState
from aragora.workflows.model import Event, ExecutionStarted
from aragora.workflows.records import Projection
from aragora.workflows.store.approval_rows import ApprovalRows

TOPIC: Final = "approvals"
"""The outbox topic whose payload is an `ApprovalDue`."""


@dataclass(frozen=True, slots=True)
class ApprovalDue:
    """An approval has changed. Stored as JSON in outbox rows: a field's name never changes."""

    approval_id: str


@dataclass(frozen=True, slots=True)
class Beside:
    """What a commit brings besides its rows."""

    projections: tuple[Projection, ...] = ()
    outbox: tuple[OutboxRow, ...] = ()


class KeptInbox:
    """`mirrored`: the inbox that people read is elsewhere, and is told by the outbox. `told`: webhooks hear of
    executions (`aragora.workflows.telling`); only where that topic has a consumer: rows of one without stay for ever.
    """

    def __init__(self, *, mirrored: bool, told: bool) -> None:
        self._mirrored = mirrored
        self._told = told

    def beside(self, started: ExecutionStarted, changed: Sequence[ApprovalState], seq: int, now: float) -> Beside:
        """What is to be written of approvals that changed with rows up to `seq`, at `now` (seconds since the epoch)."""
        if not changed:
            return Beside()
        records = [record_of(started, state, seq) for state in changed]
        rows = tuple(_due(record, now) for record in records) if self._mirrored else ()
        return Beside((ApprovalRows(records),), rows)

    def told(self, state: ExecutionState, events: Sequence[Event], seq: int, now: float) -> tuple[OutboxRow, ...]:
        """See `telling.told`; nothing where nobody takes it."""
        return telling.told(state, events, seq, now) if self._told else ()


class InboxConsumer:
    """Puts approvals that changed from the database into the inbox that people read."""

    def __init__(self, kept: ApprovalRequestStore, inbox: ApprovalRequestStore) -> None:
        self._kept = kept
        self._inbox = inbox

    async def apply(self, rows: Sequence[OutboxRow]) -> None:
        """See `aragora.storage.outbox.Consumer`."""
        found: list[ApprovalRecord] = []
        for approval_id in dict.fromkeys(decode_as(row.payload, ApprovalDue).approval_id for row in rows):
            with suppress(NotFound):  # its execution was deleted since
                found.append(await self._kept.get(EVERYTHING, approval_id))
        await self._inbox.put(found)


def record_of(started: ExecutionStarted, state: ApprovalState, seq: int) -> ApprovalRecord:
    """An approval of an execution as the inbox has it, after the journal's row `seq`."""
    return ApprovalRecord(
        org_id=started.org_id,
        workspace=started.workspace,
        workflow_id=started.workflow_id,
        workflow=started.name,
        state=state,
        version=seq,
    )


def _due(record: ApprovalRecord, now: float) -> OutboxRow:
    due = encode_text(ApprovalDue(record.approval_id))
    return OutboxRow(f"{record.approval_id}:{TOPIC}:{record.version}", TOPIC, record.state.execution_id, due, now)
