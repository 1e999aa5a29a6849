"""The end of an execution that cannot go on: its journal is damaged, or the machine broke over it.

It is ended by its row alone: nobody can say what the journal adds up to. So it has no receipt, and what it had begun
goes on to its own end. Whoever waits for it is told.
"""

from __future__ import annotations

from typing import Final

import structlog

from aragora.workflows import journal
from aragora.workflows.counted import counters_of_end
from aragora.workflows.model import ExecutionEnded, ExecutionStatus
from aragora.workflows.ports import Reading, Writing
from aragora.workflows.proof import BROKEN
from aragora.workflows.records import Commit, ExecutionUpdate
from aragora.workflows.running.children import ended_child

REASON: Final = "the server could not go on with it: its log says more"

log = structlog.get_logger("aragora.workflows")


async def break_off(
    execution_id: str, error: BaseException, *, reading: Reading, writing: Writing, now: float
) -> tuple[journal.JournalRow, ...]:
    """End the execution as failed; returns the rows that say so, none where it had ended before. Raises Unavailable,
    Fenced."""
    log.error("an execution breaks off", execution=execution_id, error=repr(error))
    record = await reading.record(execution_id)
    if record is None or record.status.ended:
        return ()
    ended = ExecutionEnded(ExecutionStatus.FAILED, {}, BROKEN, REASON, record.cost_micros)
    rows = journal.rows_of(execution_id, record.last_seq + 1, now, [ended])
    update = ExecutionUpdate(
        status=ended.status,
        active=False,
        ended_at=now,
        cost_micros=record.cost_micros,
        code=ended.code,
        reason=ended.reason,
    )
    extra = (ended_child(record, ended, record.cost_micros, rows[-1].seq, now),) if record.parent else ()
    await writing.commit(Commit(execution_id, rows, update, counters=counters_of_end(ended), extra=extra))
    return rows
