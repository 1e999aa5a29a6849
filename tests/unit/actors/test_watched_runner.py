"""The runner of workflows and those who watch executions: it tells them of rows, and stays while anybody watches."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from worlds.followed import END, EXECUTION, HAPPENED
from worlds.waiting import eventually

from actors import workflow_runner
from actors.channels import event_outlets
from actors.channels.event_outlets import Polled
from actors.workflow_runner import WorkflowRunnerActor
from aragora.config.settings import Settings
from aragora.workflows.journal import rows_of


@pytest.fixture
async def runner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> WorkflowRunnerActor:
    """One that has started, and has nothing to do."""

    async def started(_: WorkflowRunnerActor) -> Any:
        return None

    monkeypatch.setattr(WorkflowRunnerActor, "_start", started)
    actor = WorkflowRunnerActor("main", Settings(data_dir=tmp_path))
    idle: Any = SimpleNamespace(waits_until=None, engine=SimpleNamespace(busy=False, stepped_down=False))
    actor._runner = idle
    return actor


async def polled(runner: WorkflowRunnerActor, *follow: str) -> Polled:
    return msgspec.msgpack.decode(await runner.watch("replica", follow, ()), type=Polled)


async def test_rows_that_are_durable_reach_whoever_watches_their_execution(runner: WorkflowRunnerActor) -> None:
    assert not (await polled(runner, EXECUTION)).known
    news = workflow_runner._News(runner._watchers)
    rows = rows_of(EXECUTION, 4, 1.0, (HAPPENED, END))
    news.publish("exe_another", rows_of("exe_another", 1, 1.0, (HAPPENED,)))
    news.publish(EXECUTION, rows)
    items = (await polled(runner)).items
    assert [(one.journal_id, one.seq, one.type, one.payload) for one in items] == [
        (EXECUTION, row.seq, row.type, row.payload) for row in rows
    ]


async def test_a_watched_runner_stays_and_goes_once_nobody_watches(runner: WorkflowRunnerActor) -> None:
    assert not runner._busy()
    await polled(runner, EXECUTION)
    assert runner._busy()
    leaving = asyncio.create_task(runner.watch("replica", (), (EXECUTION,)))
    await eventually(lambda: not runner._busy(), "nobody watches any more")
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)


async def test_a_replica_that_is_gone_without_a_word_does_not_keep_it(
    runner: WorkflowRunnerActor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await polled(runner, EXECUTION)
    monkeypatch.setattr(event_outlets, "SILENT_S", -1.0)
    assert not runner._busy()


async def test_it_stays_while_an_execution_is_open_and_goes_once_another_owns_them(runner: WorkflowRunnerActor) -> None:
    known: Any = runner._runner
    known.waits_until = 1e12
    assert runner._busy()
    known.engine.stepped_down = True
    await polled(runner, EXECUTION)
    assert not runner._busy(), "the next one tells whoever watches"
