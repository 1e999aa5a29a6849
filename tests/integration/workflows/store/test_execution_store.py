"""Executions read: within a scope, page by page, and what is due, active and waiting by an index."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text
from worlds.executions import RUNNING, commit, message, new

from aragora.encoding import decode
from aragora.errors import InvalidInput, NotFound
from aragora.scope import EVERYTHING, Scope
from aragora.storage.cursors import Place, cursor_of
from aragora.storage.database import Database
from aragora.workflows.journal import event_of, events_of, rows_of
from aragora.workflows.model import CancelRequested, Event, ExecutionPaused, ExecutionResumed, ExecutionStatus
from aragora.workflows.store import executions
from aragora.workflows.store.executions import Due, ExecutionStore, Wanted
from aragora.workflows.store.writer import WorkflowWriter

ALL = Wanted()
WAITING = replace(RUNNING, status=ExecutionStatus.WAITING, active=False)
ENDED = replace(RUNNING, status=ExecutionStatus.COMPLETED, active=False, ended_at=5.0, outputs='{"a":1}')


async def started(writer: WorkflowWriter, *ids: str, **of: Any) -> None:
    await asyncio.gather(*(writer.start(new(one, **of)) for one in ids))


async def listed(store: ExecutionStore, scope: Scope, wanted: Wanted = ALL, limit: int = 50) -> list[str]:
    found: list[str] = []
    page = await store.page(scope, wanted, limit=limit)
    while True:
        found += [one.execution_id for one in page.items]
        if page.next_cursor is None:
            return found
        assert len(page.items) == limit
        page = await store.page(scope, wanted, limit=limit, cursor=page.next_cursor)


async def test_what_is_out_of_scope_does_not_exist(writer: WorkflowWriter, store: ExecutionStore) -> None:
    await started(writer, "exe_1", workspace="legal")
    told = set()
    for scope in (Scope("other", None), Scope("acme", frozenset({"default"})), Scope("acme", frozenset())):
        with pytest.raises(NotFound) as hidden:
            await store.get("exe_1", scope)
        with pytest.raises(NotFound) as unknown:
            await store.get("exe_2", scope)
        told |= {hidden.value.message, unknown.value.message}
        assert await listed(store, scope) == []
        assert await store.counts(scope) == {}
    assert len(told) == 1
    for scope in (EVERYTHING, Scope("acme", None), Scope("acme", frozenset({"legal", "x"}))):
        assert (await store.get("exe_1", scope)).execution_id == "exe_1"
        assert await listed(store, scope) == ["exe_1"]


async def test_a_list_is_newest_first_and_pages_without_gap_or_repeat(
    writer: WorkflowWriter, store: ExecutionStore
) -> None:
    for n in range(7):
        await started(writer, f"exe_{n}", started_at=100.0 + n // 3)  # some at the same moment
    for limit in (1, 2, 3, 7, 50):
        assert await listed(store, Scope("acme", frozenset({"default"})), limit=limit) == [
            f"exe_{n}" for n in range(6, -1, -1)
        ]


async def test_a_list_is_filtered_and_leaves_outputs_out(writer: WorkflowWriter, store: ExecutionStore) -> None:
    await started(writer, "exe_1", "exe_2")
    await started(writer, "exe_3", workflow_id="wf_2", started_by="bob")
    await writer.commit(commit("exe_2", 2, update=ENDED))
    assert await listed(store, EVERYTHING, Wanted(status=ExecutionStatus.COMPLETED)) == ["exe_2"]
    assert await listed(store, EVERYTHING, Wanted(workflow_id="wf_2")) == ["exe_3"]
    assert await listed(store, EVERYTHING, Wanted(started_by="ann")) == ["exe_2", "exe_1"]
    assert await listed(store, EVERYTHING, Wanted(started_by="ann", workflow_id="wf_2")) == []
    page = await store.page(EVERYTHING, Wanted(status=ExecutionStatus.COMPLETED))
    assert page.items[0] == replace(await store.get("exe_2", EVERYTHING), outputs=None)
    assert (await store.get("exe_2", EVERYTHING)).outputs == '{"a":1}'


@pytest.mark.parametrize("cursor", ["", "x", "!!", cursor_of(Place(1.0, "a\0b")), "ZZZZ"])
async def test_a_cursor_that_is_not_ours_and_a_limit_of_nothing_are_refused(store: ExecutionStore, cursor: str) -> None:
    with pytest.raises(InvalidInput):
        await store.page(EVERYTHING, ALL, cursor=cursor)
    with pytest.raises(InvalidInput):
        await store.page(EVERYTHING, ALL, limit=0)


async def test_executions_are_counted_by_status_of_an_organisation(
    writer: WorkflowWriter, store: ExecutionStore, database: Database
) -> None:
    await started(writer, "exe_1", "exe_2", "exe_3")
    await started(writer, "exe_4", org_id="other", workspace="legal")
    await writer.commit(commit("exe_1", 2, update=WAITING))
    await writer.commit(commit("exe_2", 2, update=ENDED))
    assert await store.counts(Scope("acme", None)) == {
        ExecutionStatus.RUNNING: 1,
        ExecutionStatus.WAITING: 1,
        ExecutionStatus.COMPLETED: 1,
    }
    assert await store.counts(Scope("other", frozenset({"legal"}))) == {ExecutionStatus.RUNNING: 1}
    assert await store.open_counts() == {ExecutionStatus.RUNNING: 2, ExecutionStatus.WAITING: 1}
    async with database.writing() as connection:
        await connection.execute(
            text("UPDATE workflow_executions SET status = 'dreaming' WHERE execution_id = 'exe_3'")
        )
    assert (await store.counts(Scope("acme", None)))[ExecutionStatus.FAILED] == 1
    unknown = await store.get("exe_3", EVERYTHING)
    assert (unknown.status, unknown.code) == (ExecutionStatus.FAILED, "unknown_status")


async def test_whether_a_workflow_has_executions_that_run(writer: WorkflowWriter, store: ExecutionStore) -> None:
    assert not await store.running_of("wf_1")
    await started(writer, "exe_1")
    assert await store.running_of("wf_1")
    assert not await store.running_of("wf_2")
    await writer.commit(commit("exe_1", 2, update=ENDED))
    assert not await store.running_of("wf_1")
    await writer.commit(commit("exe_1", 3))  # tried again
    assert await store.running_of("wf_1")


async def test_what_is_due_comes_in_order_of_its_time_and_goes_when_it_is_moved(
    writer: WorkflowWriter, store: ExecutionStore
) -> None:
    assert await store.next_due() is None
    for n, due_at in enumerate((30.0, 10.0, None, 20.0, 10.0)):
        await started(writer, f"exe_{n}", due_at=due_at, active=False)
    assert await store.next_due() == 10.0
    assert await store.due(9.999) == []
    assert await store.due(20.0) == [Due("exe_1", 10.0), Due("exe_4", 10.0), Due("exe_3", 20.0)]
    assert await store.due(99.0, 2) == [Due("exe_1", 10.0), Due("exe_4", 10.0)]
    await writer.commit(commit("exe_1", 2, update=replace(WAITING, due_at=40.0)))
    await writer.commit(commit("exe_4", 2, update=WAITING))
    assert await store.due(35.0) == [Due("exe_3", 20.0), Due("exe_0", 30.0)]


async def test_active_executions_come_page_by_page(writer: WorkflowWriter, store: ExecutionStore) -> None:
    await started(writer, *(f"exe_{n}" for n in range(5)))
    await started(writer, "exe_8", "exe_9", active=False)
    await writer.commit(commit("exe_2", 2, update=WAITING))
    assert await store.active_ids(limit=3) == ["exe_0", "exe_1", "exe_3"]
    assert await store.active_ids("exe_3", 3) == ["exe_4"]


async def test_an_inbox_comes_page_by_page_oldest_first(writer: WorkflowWriter, store: ExecutionStore) -> None:
    for n in range(5):
        await writer.post(message(f"msg_{n}", f"exe_{n % 2}", at=100.0 - n // 2))
    first = await store.inbox(3)
    rest = await store.inbox(3, after=first[-1])
    assert [one.message_id for one in (*first, *rest)] == ["msg_4", "msg_2", "msg_3", "msg_0", "msg_1"]
    assert [one.message_id for one in await store.inbox_of("exe_1")] == ["msg_3", "msg_1"]
    assert [one.message_id for one in await store.inbox_of("exe_0", 2)] == ["msg_4", "msg_2"]


EVENTS: list[Event] = [ExecutionPaused("ann"), ExecutionResumed("bob"), CancelRequested("ann", "too late")]


async def test_a_journal_comes_page_by_page(writer: WorkflowWriter, store: ExecutionStore) -> None:
    await writer.start(replace(new(), rows=rows_of("exe_1", 1, 100.0, EVENTS)))
    assert events_of(await store.journal("exe_1")) == EVENTS
    assert events_of(await store.journal("exe_1", 1, 1), 2) == EVENTS[1:2]
    assert await store.journal("exe_1", 3) == await store.journal("exe_2") == []
    assert await store.events("exe_1") == await store.journal("exe_1")


@pytest.mark.parametrize("limit", [1, 7, 1_000])
async def test_a_page_of_a_journal_is_bounded_by_its_bytes_and_no_row_is_passed_over(
    writer: WorkflowWriter, store: ExecutionStore, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(executions, "PAGE_BYTES", 20_000)
    sizes = [*[10] * 250, 30_000, 10, 9_000, 9_000, 9_000, *[100] * 150]
    whole: list[Event] = [CancelRequested("ann", "x" * size) for size in sizes]
    await writer.start(replace(new(), rows=rows_of("exe_1", 1, 100.0, whole)))
    found: list[str] = []
    while page := await store.journal("exe_1", len(found), limit):
        assert len(page) <= limit
        assert len(page) == 1 or sum(map(len, page)) <= 20_000
        found += page
    assert events_of(found) == whole
    assert len(await store.journal("exe_1", 251, 200)) > 2


async def test_a_damaged_row_is_stood_in_for_and_the_rest_is_read(
    writer: WorkflowWriter, store: ExecutionStore, database: Database
) -> None:
    await writer.start(replace(new(), rows=rows_of("exe_1", 1, 100.0, EVENTS)))
    damaged = "CAST(X'7bff' AS TEXT)" if database.is_sqlite else "'{'"
    async with database.writing() as connection:
        await connection.execute(text(f"UPDATE workflow_journal SET payload = {damaged} WHERE seq = 2"))
    shown = await store.events("exe_1")
    assert [decode(one)["type"] for one in shown] == ["execution_paused", "unreadable", "cancel_requested"]
    assert [decode(one)["seq"] for one in shown] == [1, 2, 3]
    assert event_of((await store.journal("exe_1"))[2]) == EVENTS[2]
    assert len(await store.journal("exe_1")) == 3


@pytest.mark.parametrize(
    ("act", "indices"),
    [
        (lambda store: store.due(1e9, 10), "workflow_executions_due"),
        (lambda store: store.next_due(), "workflow_executions_due"),
        (lambda store: store.active_ids("exe_1", 10), "workflow_executions_active"),
        (lambda store: store.running_of("wf_1"), "workflow_executions_open"),
        (lambda store: store.open_counts(), "workflow_executions_open"),
        (lambda store: store.inbox(10), "workflow_inbox_oldest"),
        (lambda store: store.inbox(10, after=message()), "workflow_inbox_oldest"),
        (lambda store: store.inbox_of("exe_1", 10), "workflow_inbox_of"),
        (lambda store: store.page(Scope("acme", None), ALL), "workflow_executions_by_org"),
        (
            lambda store: store.page(Scope("acme", frozenset({"default"})), ALL),
            "workflow_executions_newest workflow_executions_by_org",  # PostgreSQL chooses by how many there are
        ),
        (
            lambda store: store.page(Scope("acme", frozenset({"x"})), Wanted(status=ExecutionStatus.WAITING)),
            "workflow_executions_by_status",
        ),
    ],
)
async def test_every_look_has_its_index(
    database: Database, act: Callable[[ExecutionStore], Any], indices: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries: list[str] = []
    rows = database.rows

    async def noted(query: Any, what: str) -> Any:
        dialect = database.engine.dialect
        queries.append(str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True})))
        return await rows(query, what)

    monkeypatch.setattr(database, "rows", noted)
    await act(ExecutionStore(database))
    explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
    async with database.reading() as connection:
        if not database.is_sqlite:
            await connection.execute(text("SET enable_seqscan = off"))
            await connection.execute(text("SET enable_bitmapscan = off"))
        plan = (await connection.exec_driver_sql(explain + queries[0].replace("%", "%%"))).all()
    told = " ".join(str(tuple(row)) for row in plan)
    assert any(index in told for index in indices.split())
    assert "B-TREE FOR ORDER BY" not in told
    assert "Sort Key" not in told or "GROUP BY" in queries[0]
