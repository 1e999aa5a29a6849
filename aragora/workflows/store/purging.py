"""Deleting executions whose time of keeping is over, in small steps, each a transaction of its own.

First the execution goes out of sight: its row with its idempotency key, and its messages, in one transaction with a
note that it was deleted (`workflow_purged`). Then its journal and its approvals are cleared, some hundred rows at a
time, by that note: whatever dies in between, the next run goes on. The note stays, and leads to the receipt, which no
purge takes out of the chain.

Never deleted are: one that has not ended or still owes something; one whose parent is there; one of which the outbox
still has to tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, exists, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.clock import Clock
from aragora.observability.samples import CounterDelta
from aragora.storage.counters import CounterStore
from aragora.storage.database import Database
from aragora.storage.small_steps import small_step
from aragora.storage.tables import workflow_outbox
from aragora.workflows.counted import PURGED
from aragora.workflows.inbox import TOPIC as APPROVALS
from aragora.workflows.store.approval_tables import approvals, people
from aragora.workflows.store.tables import (
    UNCLEARED,
    workflow_executions,
    workflow_inbox,
    workflow_journal,
    workflow_purged,
)
from aragora.workflows.telling import TOPIC as EVENTS

STEP: Final = 100  # executions, or approvals, of one step
ROWS: Final = 500  # of journals in one step; the lock is held for some 10 ms

_WHAT: Final = "purging executions"
_OF: Final = workflow_executions.c
_JOURNAL: Final = workflow_journal.c
_NOTE: Final = workflow_purged.c
_PARENTS: Final = workflow_executions.alias("parents")

Drop = Callable[[Sequence[str]], Awaitable[None]]
"""Takes approvals, by their ids, out of an inbox that is kept elsewhere; those that are not there change nothing."""


class ExecutionPurge:
    """One step a call: returns how many executions it was about, 0 where nothing is left. Every method raises
    Unavailable where the database, or the inbox, is away.

    Args:
        drop: of the inbox that people read, where that is not in the database.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        drop: Drop | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._clock = clock
        self._drop = drop
        self._sleep = sleep
        self._counters = CounterStore(database)

    async def take(self, before: float) -> int:
        """Those that ended before this time (seconds since the epoch) go out of sight, the first to have ended first,
        at most `STEP`."""
        over = _over(before)
        chosen = select(_OF.execution_id).where(*over).order_by(_OF.ended_at, _OF.execution_id).limit(STEP)
        async with self._step() as connection:
            found = [row[0] for row in await connection.execute(chosen)]
            still = select(_OF.execution_id, _OF.org_id, _OF.workspace, _OF.receipt_id)
            still = still.where(_OF.execution_id.in_(found), *over).order_by(_OF.execution_id)
            rows = (await connection.execute(still.with_for_update(of=workflow_executions))).mappings().all()
            if not rows:
                return 0  # or they were retried meanwhile
            ids, now = [row["execution_id"] for row in rows], self._clock.now()
            notes = [{**row, "at": now, "cleared": False} for row in rows]
            await connection.execute(insert(workflow_purged), notes)
            await connection.execute(delete(workflow_inbox).where(workflow_inbox.c.execution_id.in_(ids)))
            await connection.execute(delete(workflow_executions).where(_OF.execution_id.in_(ids)))
            await self._counters.add_within(connection, (CounterDelta(PURGED, (), float(len(ids))),))
        return len(ids)

    async def clear(self) -> int:
        """Some rows of what is out of sight go."""
        query = select(_NOTE.execution_id).where(UNCLEARED).order_by(_NOTE.execution_id).limit(STEP)
        ids = [row[0] for row in await self._database.rows(query, _WHAT)]
        if not ids:
            return 0
        asked = select(approvals.c.approval_id).where(approvals.c.execution_id.in_(ids)).limit(STEP)
        approval_ids = [row[0] for row in await self._database.rows(asked, _WHAT)]
        if approval_ids and self._drop is not None:
            await self._drop(approval_ids)
        async with self._step() as connection:
            await connection.execute(delete(people).where(people.c.approval_id.in_(approval_ids)))
            await connection.execute(delete(approvals).where(approvals.c.approval_id.in_(approval_ids)))
            rows = select(_JOURNAL.execution_id, _JOURNAL.seq).where(_JOURNAL.execution_id.in_(ids))
            rows = rows.order_by(_JOURNAL.execution_id, _JOURNAL.seq).limit(ROWS)
            some = tuple_(_JOURNAL.execution_id, _JOURNAL.seq).in_(rows)
            gone = int((await connection.execute(delete(workflow_journal).where(some))).rowcount)
            if gone < ROWS and len(approval_ids) < STEP:
                done = update(workflow_purged).where(_NOTE.execution_id.in_(ids)).values(cleared=True)
                await connection.execute(done)
        return len(ids)

    def _step(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return small_step(self._database, _WHAT, self._clock, self._sleep)


def _over(before: float) -> tuple[ColumnElement[bool], ...]:
    told = select(workflow_outbox.c.execution_id).where(workflow_outbox.c.topic.in_((EVENTS, APPROVALS)))
    parent: Any = exists().where(_PARENTS.c.execution_id == _OF.parent)
    return (_OF.ended_at < before, _OF.active.is_(False), ~parent, _OF.execution_id.not_in(told))
