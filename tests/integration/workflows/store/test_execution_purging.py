"""Purging executions on both stores: in steps, with all that is theirs but their receipts, and none that is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text
from worlds.approvals import a_record, an_approval
from worlds.backends import SetClock
from worlds.executions import commit, message, new

from aragora.errors import NotFound
from aragora.scope import EVERYTHING, Scope
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRow
from aragora.workflows.model import ExecutionStatus
from aragora.workflows.records import ExecutionUpdate
from aragora.workflows.retention import retaining_executions
from aragora.workflows.store import purging
from aragora.workflows.store.approvals_sql import SqlApprovals
from aragora.workflows.store.executions import ExecutionStore
from aragora.workflows.store.purging import ExecutionPurge
from aragora.workflows.store.writer import WorkflowWriter
from aragora.workflows.telling import TOPIC

TABLES = ("workflow_executions", "workflow_journal", "workflow_inbox", "workflow_approvals", "workflow_approval_people")
ENDED = ExecutionUpdate(status=ExecutionStatus.COMPLETED, active=False, ended_at=100.0, receipt_id="rcp_1")


async def rows_of(database: Database, execution_id: str) -> tuple[int, ...]:
    """How many rows of each table name the execution; people by their approvals."""
    async with database.reading() as connection:

        async def count(table: str) -> int:
            where = "execution_id = :id"
            if table == "workflow_approval_people":
                where = "approval_id IN (SELECT approval_id FROM workflow_approvals WHERE execution_id = :id)"
            return int(
                (
                    await connection.execute(text(f"SELECT count(*) FROM {table} WHERE {where}"), {"id": execution_id})
                ).scalar_one()
            )

        return tuple([await count(table) for table in TABLES])


@pytest.fixture
def ended(writer: WorkflowWriter) -> Callable[..., Any]:
    """Writes an execution that has ended."""

    async def write(execution_id: str, at: float = 100.0, *, rows: int = 3, **of: Any) -> None:
        update = replace(ENDED, ended_at=at, **of.pop("update", {}))
        outbox = of.pop("outbox", ())
        await writer.start(new(execution_id, **of))
        await writer.commit(commit(execution_id, 2, rows, update=update, outbox=outbox))

    return write


async def left(store: ExecutionStore, *ids: str) -> list[str]:
    return [one for one in ids if await store.record(one) is not None]


async def purged(database: Database, before: float, clock: SetClock | None = None, **of: Any) -> str:
    """What a run of the job says, that deletes what ended before then."""
    clock = clock or SetClock(1_000.0)
    return await retaining_executions(database, clock.now() - before, clock, **of).run()


async def test_an_execution_goes_with_all_that_is_its_own_and_its_receipt_is_still_found(
    database: Database, store: ExecutionStore, writer: WorkflowWriter, ended: Callable[..., Any]
) -> None:
    await ended("exe_1", key="again")
    await ended("exe_2", 150.0)
    await writer.post(message("msg_1", "exe_1"))
    approvals = SqlApprovals(database)
    for number in (1, 2):
        state = an_approval(approval_id=f"apr_{number}", execution_id=f"exe_{number}")
        await approvals.put([a_record(state)])
    before = await rows_of(database, "exe_1")
    assert before[:4] == (1, 3, 1, 1)
    assert before[4] > 0
    dropped: list[str] = []

    async def drop(ids: Any) -> None:
        dropped.extend(ids)

    assert await purged(database, 150.0, drop=drop) == "deleted 1 executions"
    assert await rows_of(database, "exe_1") == (0, 0, 0, 0, 0)
    assert await rows_of(database, "exe_2") == (1, 3, 0, 1, before[4])
    assert dropped == ["apr_1"]
    with pytest.raises(NotFound) as gone:
        await store.get("exe_1", EVERYTHING)
    assert gone.value.code == "execution_deleted"
    assert await store.receipt_id("exe_1", Scope("acme", None)) == "rcp_1"
    for unknown in (store.get, store.receipt_id):
        with pytest.raises(NotFound) as elsewhere:
            await unknown("exe_1", Scope("other", None))
        assert elsewhere.value.code != "execution_deleted"
    assert (await writer.start(new("exe_3", key="again", request="other"))).created, "the key is free again"
    await approvals.aclose()


async def test_what_runs_waits_owes_a_receipt_or_has_yet_to_be_told_stays(
    database: Database, store: ExecutionStore, writer: WorkflowWriter, ended: Callable[..., Any]
) -> None:
    await writer.start(new("exe_runs", started_at=1.0))
    await ended("exe_owes", update={"active": True})
    await ended("exe_told", outbox=(OutboxRow("box_1", TOPIC, "exe_told", "{}", 100.0),))
    await ended("exe_buried", outbox=(OutboxRow("box_2", "dead", "exe_buried", "{}", 100.0),))
    ids = ("exe_runs", "exe_owes", "exe_told", "exe_buried")
    assert await purged(database, 900.0) == "deleted 1 executions"
    assert await left(store, *ids) == ["exe_runs", "exe_owes", "exe_told"]
    await writer.done(["box_1"])
    assert await purged(database, 900.0) == "deleted 1 executions"
    assert await left(store, *ids) == ["exe_runs", "exe_owes"]


async def test_a_child_goes_after_its_parent_and_never_before(
    database: Database, store: ExecutionStore, writer: WorkflowWriter, ended: Callable[..., Any]
) -> None:
    await writer.start(new("exe_parent"))
    await ended("exe_child", parent="exe_parent", parent_ask="ask_1", depth=2)
    await ended("exe_grandchild", parent="exe_child", parent_ask="ask_2", depth=3)
    ids = ("exe_parent", "exe_child", "exe_grandchild")
    assert await purged(database, 900.0) == "deleted 0 executions"
    await writer.commit(commit("exe_parent", 2, update=replace(ENDED, ended_at=500.0)))
    assert await purged(database, 400.0) == "deleted 0 executions"
    assert await left(store, *ids) == list(ids)
    assert await purged(database, 900.0) == "deleted 3 executions"
    assert await left(store, *ids) == []


async def test_long_journals_go_in_steps_and_what_a_run_left_the_next_one_clears(
    database: Database, store: ExecutionStore, ended: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "ROWS", 4)
    await ended("exe_1", rows=11)
    await ended("exe_2", 101.0, rows=3)
    purge = ExecutionPurge(database, SetClock(1_000.0))
    assert await purge.take(900.0) == 2
    assert await left(store, "exe_1", "exe_2") == [], "at once out of sight"
    assert await purge.clear() == 2
    assert (await rows_of(database, "exe_1"))[1] == 7
    assert await purged(database, 900.0) == "deleted 0 executions"
    assert (await rows_of(database, "exe_1"), await rows_of(database, "exe_2")) == ((0,) * 5, (0,) * 5)
    assert await purge.clear() == 0


async def test_a_commit_to_an_execution_that_is_deleted_is_refused_and_takes_no_other_with_it(
    database: Database, writer: WorkflowWriter, ended: Callable[..., Any]
) -> None:
    """Somebody retries an execution in the moment in which its time is over."""
    await ended("exe_1")
    await writer.start(new("exe_2"))
    await purged(database, 900.0)
    refused, _ = await asyncio.gather(
        writer.commit(commit("exe_1", 4)), writer.commit(commit("exe_2", 2)), return_exceptions=True
    )
    assert isinstance(refused, NotFound)
    assert (await rows_of(database, "exe_2"))[1] == 2


async def test_executions_that_are_retried_meanwhile_stay(
    database: Database, store: ExecutionStore, writer: WorkflowWriter, ended: Callable[..., Any]
) -> None:
    """Whoever comes first has it: journals stay whole."""
    ids = [f"exe_{number}" for number in range(40)]
    for one in ids:
        await ended(one)

    async def retried() -> list[Any]:
        return [await asyncio.gather(writer.commit(commit(one, 4)), return_exceptions=True) for one in ids]

    said, outcomes = await asyncio.gather(purged(database, 900.0), retried())
    kept = [one for one, (outcome,) in zip(ids, outcomes, strict=True) if outcome is None]
    assert await left(store, *ids) == kept
    assert said == f"deleted {len(ids) - len(kept)} executions"
    for one in kept:
        assert (await rows_of(database, one))[:2] == (1, 4)
