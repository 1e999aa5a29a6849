"""What the store of executions takes and gives: immutable records and units, and how rows become records. No SQL.

A unit is written whole or not at all. Many units share one transaction (group commit); one that fails takes no other
with it. Times are seconds since the epoch, money is micro-dollars.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Protocol

from aragora.debate.proposition import Idempotency
from aragora.observability.samples import CounterDelta
from aragora.scope import DEFAULT_WORKSPACE
from aragora.storage.outbox import OutboxRow
from aragora.workflows.journal import JournalRow
from aragora.workflows.model import ExecutionStatus

if TYPE_CHECKING:
    import asyncpg


@dataclass(frozen=True, slots=True)
class ExecutionRecord:
    """One row of `workflow_executions`.

    Attributes:
        parent, parent_ask: the execution, and the ask of it, that this one serves; empty: none.
        code, reason: why it has failed or was cancelled, or what it waits for; for programs and for people.
        outputs: what it gave, a JSON object; None where it gave nothing yet.
        due_at: the next moment at which time alone does something to it; None: there is none.
        active: something is asked outside, or it must go on at once: whoever runs executions loads it at the start.
    """

    execution_id: str
    org_id: str
    workflow_id: str
    version: int
    name: str
    status: ExecutionStatus
    started_by: str
    started_at: float
    updated_at: float
    workspace: str = DEFAULT_WORKSPACE
    last_seq: int = 0
    ended_at: float | None = None
    parent: str = ""
    parent_ask: str = ""
    depth: int = 1
    cost_micros: int = 0
    code: str = ""
    reason: str = ""
    outputs: str | None = None
    receipt_id: str | None = None
    due_at: float | None = None
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionUpdate:
    """All that commits change of an execution's row besides its last seq, as it is after the commit: what is left out
    is empty from then on. See `ExecutionRecord`."""

    status: ExecutionStatus
    active: bool
    due_at: float | None = None
    ended_at: float | None = None
    cost_micros: int = 0
    code: str = ""
    reason: str = ""
    outputs: str | None = None
    receipt_id: str | None = None


class Projection(Protocol):
    """Something that follows from a journal and is kept in the same context: it is written in the transaction of the
    unit that brings it, after the unit's own rows.

    It is called again where the transaction is repeated. An error that it raises fails its unit alone. What it writes
    must not depend on which other units share the transaction.
    """

    def sqlite(self, connection: sqlite3.Connection) -> None:
        """Write to SQLite, in the writer's thread."""
        ...

    async def postgres(self, connection: asyncpg.Connection[Any]) -> None:
        """Write to PostgreSQL."""
        ...


@dataclass(frozen=True, slots=True)
class NewExecution:
    """An execution to write, with its first rows. Its outcome is `Started`.

    A known idempotency key gives the execution that was started first; so does an id that is there already, for the
    same ask of the same parent: a child has an id that follows from them."""

    record: ExecutionRecord
    rows: tuple[JournalRow, ...]
    idempotency: Idempotency | None = None
    outbox: tuple[OutboxRow, ...] = ()
    counters: tuple[CounterDelta, ...] = ()
    extra: tuple[Projection, ...] = ()


@dataclass(frozen=True, slots=True)
class Commit:
    """Rows for one execution whose journal must end exactly at `rows[0].seq - 1`; else the commit is Fenced.

    `taken` are the messages of the inbox whose content the rows journal: they go. Ids that are not there change
    nothing."""

    execution_id: str
    rows: tuple[JournalRow, ...]
    update: ExecutionUpdate
    taken: tuple[str, ...] = ()
    outbox: tuple[OutboxRow, ...] = ()
    counters: tuple[CounterDelta, ...] = ()
    extra: tuple[Projection, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """Something for an execution whose runner did not take it at once. `payload` is JSON, `kind` says of what."""

    message_id: str
    execution_id: str
    kind: str
    payload: str
    created_at: float


@dataclass(frozen=True, slots=True)
class Post:
    """Put a message into the inbox. One whose id is there already changes nothing; one that was taken before comes
    again, and is known by its id to whoever takes it."""

    message: Message


@dataclass(frozen=True, slots=True)
class Dismissed:
    """Messages that nothing follows from, as their execution is over or does not exist: they go."""

    message_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Started:
    """What became of a `NewExecution`: the execution kept under its key or id, new or the first one."""

    record: ExecutionRecord
    created: bool


COLUMNS: Final = tuple(field.name for field in fields(ExecutionRecord))
CHANGED: Final = tuple(field.name for field in fields(ExecutionUpdate))
"""The columns that an update sets."""

MESSAGE: Final = tuple(field.name for field in fields(Message))
_STATUS: Final = COLUMNS.index("status")
_CODE: Final = COLUMNS.index("code")
_REASON: Final = COLUMNS.index("reason")
_ACTIVE: Final = COLUMNS.index("active")
_values: Final = attrgetter(*COLUMNS)
_changed: Final = attrgetter(*CHANGED)


def record_of(row: Sequence[Any]) -> ExecutionRecord:
    """The record of a row whose columns are `COLUMNS` in their order. A status that this version does not know, of a
    newer one or damaged, reads as failed: one such row must not take a whole list with it."""
    values = list(row)
    try:
        values[_STATUS] = ExecutionStatus(values[_STATUS])
    except ValueError:
        values[_STATUS] = ExecutionStatus.FAILED
        values[_CODE] = "unknown_status"
        values[_REASON] = "The stored status of this execution is unknown to this version of Aragora."
    values[_ACTIVE] = bool(values[_ACTIVE])  # SQLite has 0 and 1
    return ExecutionRecord(*values)


def values_of(record: ExecutionRecord) -> tuple[Any, ...]:
    """The values of a record in the order of `COLUMNS`."""
    values: tuple[Any, ...] = _values(record)
    return values


def changed_of(update: ExecutionUpdate) -> tuple[Any, ...]:
    """The values of an update in the order of `CHANGED`."""
    values: tuple[Any, ...] = _changed(update)
    return values
