"""Executions, their journals and what waits for them, read. Only `aragora.workflows.store.writer` writes them.

Everything is paged: executions that wait are rows, and whoever runs them holds no list of them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import LargeBinary, Select, cast, func, null, select, tuple_

from aragora.errors import InvalidInput, NotFound
from aragora.scope import Scope
from aragora.storage.cursors import Page, Place, cursor_of, place_of
from aragora.storage.database import Database
from aragora.workflows.journal import is_readable, stand_in
from aragora.workflows.model import ExecutionStatus
from aragora.workflows.records import COLUMNS, MESSAGE, ExecutionRecord, Message, record_of
from aragora.workflows.store.tables import (
    ACTIVE,
    workflow_executions,
    workflow_inbox,
    workflow_journal,
    workflow_purged,
)

_OF: Final = workflow_executions.c
_RECORDS: Final = select(*(_OF[name] for name in COLUMNS))
_LISTED: Final = select(*(null().label(name) if name == "outputs" else _OF[name] for name in COLUMNS))
_PLACE: Final = tuple_(_OF.started_at, _OF.execution_id)
_MESSAGES: Final = select(*(workflow_inbox.c[name] for name in MESSAGE))
_MESSAGE_PLACE: Final = tuple_(workflow_inbox.c.created_at, workflow_inbox.c.message_id)
_ROWS_AT_FIRST: Final = 100
PAGE_BYTES: Final = 4_194_304  # of a journal's page: a row has 4 MB at most


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which executions a list has; None means all."""

    status: ExecutionStatus | None = None
    workflow_id: str | None = None
    started_by: str | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """An execution to which time alone does something at `due_at`, in seconds since the epoch."""

    execution_id: str
    due_at: float


class ExecutionStore:
    """Kept in the context `workflows`. Every method raises Unavailable where the database is away. What is out of scope
    does not exist."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # SQLite's driver fails a whole query for one damaged text; as bytes it comes through. PostgreSQL keeps none.
        payload = workflow_journal.c.payload
        self._payload = cast(payload, LargeBinary) if database.is_sqlite else payload

    async def get(self, execution_id: str, scope: Scope) -> ExecutionRecord:
        """Raises NotFound, in the same words where there is none and where it is out of the scope; with the code
        `execution_deleted` where its time of keeping was over."""
        found = await self.record(execution_id)
        if found is None:
            await self._purged(execution_id, scope)
            raise NotFound(
                "The execution was deleted: its time of keeping was over. Its receipt stays.", code="execution_deleted"
            )
        if not scope.holds(found.org_id, found.workspace):
            raise unknown_execution()
        return found

    async def receipt_id(self, execution_id: str, scope: Scope) -> str | None:
        """The receipt of its last end, also where it is deleted; None where it has none. Raises NotFound."""
        found = await self.record(execution_id)
        if found is None:
            return await self._purged(execution_id, scope)
        if not scope.holds(found.org_id, found.workspace):
            raise unknown_execution()
        return found.receipt_id

    async def record(self, execution_id: str) -> ExecutionRecord | None:
        """The execution, for the server's own work; None where there is none."""
        rows = await self._rows(_RECORDS.where(_OF.execution_id == execution_id), "reading an execution")
        return record_of(rows[0]) if rows else None

    async def page(
        self, scope: Scope, wanted: Wanted, *, cursor: str | None = None, limit: int = 50
    ) -> Page[ExecutionRecord]:
        """Newest first, without their outputs. Raises InvalidInput for a bad cursor, or a limit below 1."""
        _check_limit(limit)
        query = _within(_LISTED, scope)
        if wanted.status is not None:
            query = query.where(_OF.status == wanted.status.value)
        if wanted.workflow_id is not None:
            query = query.where(_OF.workflow_id == wanted.workflow_id)
        if wanted.started_by is not None:
            query = query.where(_OF.started_by == wanted.started_by)
        if cursor is not None:
            place = place_of(cursor)
            query = query.where((place.at, place.id) > _PLACE)
        query = query.order_by(_OF.started_at.desc(), _OF.execution_id.desc()).limit(limit + 1)
        found = [record_of(row) for row in await self._rows(query, "listing executions")]
        if len(found) <= limit:
            return Page(tuple(found))
        last = found[limit - 1]
        return Page(tuple(found[:limit]), cursor_of(Place(last.started_at, last.execution_id)))

    async def counts(self, scope: Scope) -> dict[ExecutionStatus, int]:
        """How many executions of the scope stand where; a status that none has is left out."""
        query = _within(select(_OF.status, func.count()), scope).group_by(_OF.status)
        return _by_status(await self._rows(query, "counting executions"))

    async def open_counts(self) -> dict[ExecutionStatus, int]:
        """How many executions of all organisations that have not ended stand where, for a gauge: an index of these
        alone gives it."""
        query = select(_OF.status, func.count()).where(_OF.ended_at.is_(None)).group_by(_OF.status)
        return _by_status(await self._rows(query, "counting open executions"))

    async def running_of(self, workflow_id: str) -> bool:
        """Whether an execution of this workflow has not ended."""
        query = select(_OF.execution_id).where(_OF.workflow_id == workflow_id, _OF.ended_at.is_(None)).limit(1)
        return bool(await self._rows(query, "looking for executions of a workflow"))

    async def journal(self, execution_id: str, after: int = 0, limit: int = 500) -> list[str]:
        """The payloads with seq > after as they are kept, in order; fewer than `limit` where they are large, and none
        only where there is none. A damaged one comes as text that is no envelope."""
        return [_text(row[2]) for row in await self._journal(execution_id, after, limit)]

    async def events(self, execution_id: str, after: int = 0, limit: int = 500) -> list[str]:
        """As `journal`, for clients. A row that is no envelope is stood in for: who follows the execution needs its
        number, and none of the rest is lost."""
        rows = await self._journal(execution_id, after, limit)
        read = ((seq, at, _text(payload)) for seq, at, payload in rows)
        return [text if is_readable(text, seq) else stand_in(execution_id, seq, at) for seq, at, text in read]

    async def active_ids(self, after: str = "", limit: int = 500) -> list[str]:
        """Of the executions that are loaded at a start, those with ids behind `after`, in order of the ids."""
        query = select(_OF.execution_id).where(ACTIVE, _OF.execution_id > after)
        rows = await self._rows(query.order_by(_OF.execution_id).limit(limit), "reading active executions")
        return [row[0] for row in rows]

    async def due(self, now: float, limit: int = 500) -> list[Due]:
        """The executions whose time has come, those that are late longest first. One stays until a commit moves it."""
        query = select(_OF.execution_id, _OF.due_at).where(_OF.due_at.is_not(None), _OF.due_at <= now)
        rows = await self._rows(query.order_by(_OF.due_at, _OF.execution_id).limit(limit), "reading due executions")
        return [Due(*row) for row in rows]

    async def next_due(self) -> float | None:
        """When the next execution is due, in seconds since the epoch; None: none is."""
        query = select(_OF.due_at).where(_OF.due_at.is_not(None)).order_by(_OF.due_at).limit(1)
        rows = await self._rows(query, "reading the next due time")
        return rows[0][0] if rows else None

    async def inbox(self, limit: int = 500, *, after: Message | None = None) -> list[Message]:
        """Messages to all executions, oldest first; `after` one those behind it."""
        query = _MESSAGES
        if after is not None:
            query = query.where((after.created_at, after.message_id) < _MESSAGE_PLACE)
        return await self._inbox(query, limit)

    async def inbox_of(self, execution_id: str, limit: int = 500) -> list[Message]:
        """Messages to one execution, oldest first."""
        return await self._inbox(_MESSAGES.where(workflow_inbox.c.execution_id == execution_id), limit)

    async def _purged(self, execution_id: str, scope: Scope) -> str | None:
        """The receipt of an execution that is deleted. Raises NotFound where there never was one within the scope."""
        of = workflow_purged.c
        query = select(of.org_id, of.workspace, of.receipt_id).where(of.execution_id == execution_id)
        rows = await self._rows(query, "reading a deleted execution")
        if not rows or not scope.holds(rows[0][0], rows[0][1]):
            raise unknown_execution()
        receipt_id: str | None = rows[0][2]
        return receipt_id

    async def _inbox(self, query: Select[Any], limit: int) -> list[Message]:
        query = query.order_by(workflow_inbox.c.created_at, workflow_inbox.c.message_id).limit(limit)
        return [Message(*row) for row in await self._rows(query, "reading the inbox of executions")]

    async def _journal(self, execution_id: str, after: int, limit: int) -> Sequence[Any]:
        of = workflow_journal.c
        query = select(of.seq, of.at, self._payload).where(of.execution_id == execution_id).order_by(of.seq)
        found: list[Any] = []
        size, part = 0, min(_ROWS_AT_FIRST, limit)
        while part > 0:
            rows = await self._rows(query.where(of.seq > after).limit(part), "reading the journal of an execution")
            for row in rows:
                size += len(row[2])
                if found and size > PAGE_BYTES:
                    return found
                found.append(row)
            if len(rows) < part:
                return found
            after = rows[-1][0]
            part = min(limit - len(found), 1 + (PAGE_BYTES - size) * len(found) // max(size, 1))
        return found

    async def _rows(self, query: Select[Any], what: str) -> Sequence[Any]:
        return await self._database.rows(query, what)


def unknown_execution() -> NotFound:
    """The error for an execution that is not there, or not within the caller's reach."""
    return NotFound("There is no such execution. List the executions with GET /api/workflow-executions.")


def _within(query: Select[Any], scope: Scope) -> Select[Any]:
    if scope.org_id is not None:
        query = query.where(_OF.org_id == scope.org_id)
    return query if scope.workspaces is None else query.where(_OF.workspace.in_(sorted(scope.workspaces)))


def _by_status(rows: Sequence[Any]) -> dict[ExecutionStatus, int]:
    """Counts from rows (status, number). A status of a newer version counts as failed, as its record reads."""
    known = {status.value for status in ExecutionStatus}
    found: dict[ExecutionStatus, int] = {}
    for name, number in rows:
        status = ExecutionStatus(name) if name in known else ExecutionStatus.FAILED
        found[status] = found.get(status, 0) + number
    return found


def _text(payload: str | bytes) -> str:
    return payload if isinstance(payload, str) else payload.decode("utf-8", "surrogateescape")


def _check_limit(limit: int) -> None:
    if limit < 1:
        raise InvalidInput(f"limit is {limit}: ask for at least 1")
