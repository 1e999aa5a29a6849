"""The end of an execution that another one waits for: a message to that one, in the transaction of the end."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aragora.encoding import encode_text
from aragora.workflows.model import Done, ExecutionEnded, ExecutionStarted, ExecutionStatus, Failed
from aragora.workflows.records import Message

if TYPE_CHECKING:
    import asyncpg

_COLUMNS: Final = "message_id, execution_id, kind, payload, created_at"
_SQLITE: Final = f"INSERT INTO workflow_inbox ({_COLUMNS}) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"  # noqa: S608
_POSTGRES: Final = f"INSERT INTO workflow_inbox ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Posted:
    """A message that is written with what it tells of."""

    message: Message

    def sqlite(self, connection: sqlite3.Connection) -> None:
        """Write to SQLite, in the writer's thread."""
        connection.execute(_SQLITE, self._values())

    async def postgres(self, connection: asyncpg.Connection[Any]) -> None:
        """Write to PostgreSQL."""
        await connection.execute(_POSTGRES, *self._values())

    def _values(self) -> tuple[Any, ...]:
        one = self.message
        return one.message_id, one.execution_id, one.kind, one.payload, one.created_at


def ended_child(child: ExecutionStarted, ended: ExecutionEnded, cost_micros: int, seq: int, now: float) -> Posted:
    """The message to the parent of `child`, whose journal ends with row `seq`."""
    if ended.status is ExecutionStatus.COMPLETED:
        output = {"execution_id": child.execution_id, "status": ended.status.value, "outputs": ended.outputs}
        reply: Done | Failed = Done(child.parent_ask, output, cost_micros)
    else:
        code = f"workflow_{ended.status.value}"
        reason = f"the workflow it started {'was cancelled' if ended.code == 'cancelled' else 'failed'}: {ended.reason}"
        reply = Failed(child.parent_ask, code, reason, again=True, cost_micros=cost_micros)
    kind = "done" if isinstance(reply, Done) else "failed"
    message_id = f"{child.execution_id}:{seq}"
    return Posted(Message(message_id, child.parent, kind, encode_text(reply), now))
