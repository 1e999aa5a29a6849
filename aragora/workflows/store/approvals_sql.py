"""The inbox of approvals in SQLite or PostgreSQL, in the context `workflows`.

What somebody is asked is read from an index of its own for each name that the person has, up to a page of each, so that
a page costs the same whether ten approvals wait or ten thousand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from sqlalchemy import Select, exists, literal, select, tuple_, union_all

from aragora.scope import Scope
from aragora.storage.cursors import Page, Turn, cursor_of, turn_of
from aragora.storage.database import Database
from aragora.storage.postgres_transactions import PostgresTransactions
from aragora.storage.sqlite_transactions import SqliteTransactions
from aragora.workflows.approvals import ApprovalRecord, Wanted, names_of, unknown_approval
from aragora.workflows.approving import Answerer
from aragora.workflows.store.approval_rows import put_postgres, put_sqlite, record_of
from aragora.workflows.store.approval_tables import approvals, people

_OF: Final = approvals.c
_ORDER: Final = (_OF.turn, _OF.opened_at, _OF.approval_id)


class SqlApprovals:
    """Fulfils `ApprovalRequestStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sqlite = SqliteTransactions(database.location, "approvals")
        self._postgres = PostgresTransactions(database.location, "approvals")
        self._writing = asyncio.Lock()  # the writer has one connection

    async def put(self, records: Sequence[ApprovalRecord]) -> None:
        if self._database.is_sqlite:
            await self._sqlite.run(partial(put_sqlite, records=records))
            return
        async with self._writing:
            await self._postgres.run(partial(put_postgres, records=records))

    async def get(self, scope: Scope, approval_id: str) -> ApprovalRecord:
        query = _within(select(_OF.document, _OF.shown).where(_OF.approval_id == approval_id), scope)
        rows = await self._database.rows(query, "reading an approval")
        if not rows:
            raise unknown_approval()
        return record_of(*rows[0])

    async def page(
        self, scope: Scope, wanted: Wanted, *, cursor: str | None = None, limit: int = 50
    ) -> Page[ApprovalRecord]:
        after = None if cursor is None else turn_of(cursor)
        if wanted.mine is None:
            query = _filtered(select(_OF.document), scope, wanted, after).order_by(*_ORDER).limit(limit + 1)
        else:
            query = _mine(scope, wanted, wanted.mine, after, limit + 1)
        found = [record_of(row[0]) for row in await self._database.rows(query, "listing approvals")]
        if len(found) <= limit:
            return Page(tuple(found))
        return Page(tuple(found[:limit]), cursor_of(found[limit - 1].turn))

    async def aclose(self) -> None:
        """Close what is open; the next use opens it anew."""
        await self._sqlite.aclose()
        await self._postgres.aclose()
        await self._database.aclose()


def _within(query: Select[Any], scope: Scope) -> Select[Any]:
    if scope.org_id is not None:
        query = query.where(_OF.org_id == scope.org_id)
    return query if scope.workspaces is None else query.where(_OF.workspace.in_(sorted(scope.workspaces)))


def _filtered(query: Select[Any], scope: Scope, wanted: Wanted, after: Turn | None) -> Select[Any]:
    query, last = _within(query, scope), wanted.last_turn()
    if wanted.status is not None:
        query = query.where(_OF.status == wanted.status.value)
    if last is not None:
        query = query.where(_OF.turn <= last)
    if wanted.workflow is not None:
        query = query.where(_OF.workflow_id == wanted.workflow)
    if wanted.execution is not None:
        query = query.where(_OF.execution_id == wanted.execution)
    return query if after is None else query.where(_later(approvals, after))


def _mine(scope: Scope, wanted: Wanted, who: Answerer, after: Turn | None, limit: int) -> Select[Any]:
    asked, past = people.alias("asked"), people.alias("past")
    of, parts = asked.c, []
    done = exists().where(past.c.approval_id == of.approval_id, past.c.part == "past", past.c.who == who.person)
    for name in names_of(who):
        query = select(of.turn, of.opened_at, of.approval_id).join(approvals, _OF.approval_id == of.approval_id)
        query = query.where(of.part == "asked", of.who == name, ~done)
        if scope.org_id is not None:
            query = query.where(of.org_id == scope.org_id)
        if after is not None:
            query = query.where(_later(asked, after))
        query = _filtered(query, scope, wanted, None).order_by(of.turn, of.opened_at, of.approval_id).limit(limit)
        parts.append(select(query.subquery()))
    found = union_all(*parts).subquery()
    first = select(found).distinct().order_by(found.c.turn, found.c.opened_at, found.c.approval_id).limit(limit)
    chosen = first.subquery()
    return select(_OF.document).join(chosen, chosen.c.approval_id == _OF.approval_id).order_by(*_ORDER)


def _later(table: Any, after: Turn) -> Any:
    place = tuple_(table.c.turn, table.c.opened_at, table.c.approval_id)
    return place > tuple_(literal(after.turn), literal(after.at), literal(after.id))
