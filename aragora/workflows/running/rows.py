"""The row of an execution, as lists and timers read it, from its state."""

from __future__ import annotations

from collections.abc import Callable

from aragora.encoding import encode_text
from aragora.workflows import machine
from aragora.workflows.machine.state import ExecutionState
from aragora.workflows.records import ExecutionRecord, ExecutionUpdate


def record_of(state: ExecutionState, now: float, seq: int, owes: Callable[[ExecutionState], bool]) -> ExecutionRecord:
    """The row of a new execution. `owes` says whether a receipt is to be issued."""
    started, update = state.started, update_of(state, owes)
    assert started is not None, "it begins with its first event"
    return ExecutionRecord(
        execution_id=started.execution_id,
        org_id=started.org_id,
        workflow_id=started.workflow_id,
        version=started.version,
        name=started.name,
        status=update.status,
        started_by=started.started_by,
        started_at=now,
        updated_at=now,
        workspace=started.workspace,
        last_seq=seq,
        ended_at=update.ended_at,
        parent=started.parent,
        parent_ask=started.parent_ask,
        depth=started.depth,
        cost_micros=update.cost_micros,
        code=update.code,
        reason=update.reason,
        outputs=update.outputs,
        due_at=update.due_at,
        active=update.active,
    )


def update_of(state: ExecutionState, owes: Callable[[ExecutionState], bool]) -> ExecutionUpdate:
    """The row of an execution as its state is. `owes` says whether a receipt is to be issued."""
    ended = state.ended
    stop = state.stopping or state.failing
    return ExecutionUpdate(
        status=machine.status(state),
        active=bool(machine.owed(state)) or (bool(machine.asks(state)) if ended is None else owes(state)),
        due_at=machine.next_moment(state),
        ended_at=state.ended_at,
        cost_micros=state.cost_micros,
        code=ended.code if ended is not None else stop.code if stop is not None else "",
        reason=ended.reason if ended is not None else stop.reason if stop is not None else "",
        outputs=None if ended is None or not ended.outputs else encode_text(ended.outputs),
        receipt_id=state.receipt_id or None,
    )
