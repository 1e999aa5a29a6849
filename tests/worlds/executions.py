"""Builders of executions with plain contents, for tests of their store."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import asyncpg

from aragora.debate.proposition import Idempotency
from aragora.workflows.journal import JournalRow
from aragora.workflows.model import ExecutionStatus
from aragora.workflows.records import Commit, ExecutionRecord, ExecutionUpdate, Message, NewExecution

RUNNING = ExecutionUpdate(status=ExecutionStatus.RUNNING, active=True)
RECORD = ExecutionRecord(
    "exe_1", "acme", "wf_1", 1, "Release", ExecutionStatus.RUNNING, "ann", started_at=100.0, updated_at=100.0
)


def rows(execution_id: str, first: int, last: int) -> tuple[JournalRow, ...]:
    return tuple(
        JournalRow(execution_id, seq, "step_completed", f'{{"type":"step_completed","seq":{seq}}}', 100.0 + seq)
        for seq in range(first, last + 1)
    )


def new(execution_id: str = "exe_1", *, key: str | None = None, request: str = "h", **changed: Any) -> NewExecution:
    record = replace(RECORD, execution_id=execution_id, **changed)
    return NewExecution(record, rows(execution_id, 1, 1), key and Idempotency(key, request))


def commit(execution_id: str, first: int, last: int | None = None, **of: Any) -> Commit:
    update = of.pop("update", RUNNING)
    return Commit(execution_id, rows(execution_id, first, last or first), update, **of)


def message(message_id: str = "msg_1", execution_id: str = "exe_1", *, at: float = 100.0) -> Message:
    return Message(message_id, execution_id, "signal", '{"name":"go"}', at)


@dataclass(frozen=True)
class Note:
    """A projection: a row in the table of counters, the first that fits. `fails`: the statement is refused."""

    name: str
    fails: bool = False

    def sqlite(self, connection: Any) -> None:
        connection.execute(self._statement("?"), (self.name,))

    async def postgres(self, connection: asyncpg.Connection[Any]) -> None:
        await connection.execute(self._statement("$1"), self.name)

    def _statement(self, name: str) -> str:
        value = "NULL" if self.fails else "1.0"
        return f"INSERT INTO workflow_counters (sample, labels, shard, value) VALUES ({name}, '[]', 0, {value})"
