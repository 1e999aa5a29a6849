"""Executions that serve another one: how its step begins one, and how the end of that comes back to it.

The end is a message to the parent, in the transaction of the end: whatever dies, it is told.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from aragora.encoding import encode_text
from aragora.workflows.model import (
    Accepted,
    Ask,
    Done,
    ExecutionEnded,
    ExecutionStarted,
    ExecutionStatus,
    Failed,
    Reply,
)
from aragora.workflows.ports import Definitions, Pinned
from aragora.workflows.records import MESSAGE, Message, Started
from aragora.workflows.starting import first_event

if TYPE_CHECKING:
    import asyncpg

CHILD: Final = "workflow"
"""The kind of the step."""
_COLUMNS: Final = ", ".join(MESSAGE)
_SQLITE: Final = f"INSERT INTO workflow_inbox ({_COLUMNS}) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"  # noqa: S608
_POSTGRES: Final = f"INSERT INTO workflow_inbox ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING"  # noqa: S608


class Child(Protocol):
    """An execution that serves another: its first event, or its row."""

    @property
    def execution_id(self) -> str: ...

    @property
    def parent(self) -> str: ...

    @property
    def parent_ask(self) -> str: ...


class Starting(Protocol):
    """Starts and cancels executions (`aragora.workflows.running.engine`)."""

    async def start(self, started: ExecutionStarted, pinned: Pinned) -> Started: ...

    async def cancel(self, execution_id: str, by: str, reason: str = "") -> object: ...


class Children:
    """Does steps of the kind `workflow`."""

    def __init__(self, starting: Starting, definitions: Definitions, now: Callable[[], float]) -> None:
        self._starting = starting
        self._definitions = definitions
        self._now = now

    async def do(self, ask: Ask, started: ExecutionStarted) -> Reply:
        """Start the workflow's latest version, in the name of whoever started the parent. Raises NotFound."""
        what = ask.what
        pinned = await self._definitions.latest(started.org_id, started.workspace, what["workflow"])
        begun = first_event(
            pinned,
            what["inputs"],
            execution_id=f"exe_{ask.ask_id.removeprefix('ask_')}",
            started_by=started.started_by,
            org_id=started.org_id,
            workspace=started.workspace,
            now=self._now(),
            budget_micros=ask.budget_micros,
        )
        child = replace(
            begun,
            parent=started.execution_id,
            parent_ask=ask.ask_id,
            depth=started.depth + 1,
            ends_at=min(started.ends_at, begun.ends_at),
        )
        kept = await self._starting.start(child, pinned)
        return Accepted(ask.ask_id, kept.record.execution_id)

    async def stop(self, ref: str, started: ExecutionStarted) -> None:
        """Cancel the execution that a step began. Raises NotFound, and Conflict where it is over."""
        await self._starting.cancel(ref, started.started_by, f"execution {started.execution_id} does not wait for it")


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


def ended_child(child: Child, ended: ExecutionEnded, cost_micros: int, seq: int, now: float) -> Posted:
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
