"""What the metrics page shows of executions, from the store that they are in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from worlds.workflow_runner import World
from worlds.workflowing import approval, ask, definition

from actors.gateways.workflow_figures import COUNTED_S, WorkflowFigures
from aragora.storage.counters import CounterStore
from aragora.storage.database import Database
from aragora.workflows.model import ExecutionStatus


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    made = World(database)
    await made.begin()
    yield made
    await made.close()


async def gauges(figures: WorkflowFigures) -> dict[str, float]:
    return {
        delta.sample.removeprefix("aragora_workflow_") + "".join(f" {value}" for _, value in delta.labels): delta.amount
        for delta in await figures.gauges()
    }


async def counters(database: Database) -> dict[str, float]:
    return {
        delta.sample.removeprefix("aragora_workflow_") + "".join(f" {value}" for _, value in delta.labels): delta.amount
        for delta in await CounterStore(database).all()
        if not delta.sample.endswith("_bucket")
    }


async def test_what_is_open_waits_and_is_overdue_is_read_from_the_store(world: World) -> None:
    figures = WorkflowFigures(world.database, world.clock)
    assert await gauges(figures) == {
        "executions_open running": 0.0,
        "executions_open waiting": 0.0,
        "executions_open paused": 0.0,
        "executions_open compensating": 0.0,
        "approvals_pending": 0.0,
        "approvals_oldest_seconds": 0.0,
        "oldest_due_seconds": 0.0,
    }
    world.outside.gives = lambda _: None
    await world.start(definition(ask("a"), timeout_s=2_000))
    waiting = await world.start(definition(approval("sign", deadline_s=1_000), timeout_s=2_000))
    world.clock.pass_(COUNTED_S - 1)
    assert (await gauges(figures))["executions_open waiting"] == 0.0, "counted half a minute ago"
    world.clock.pass_(1)
    told = await gauges(figures)
    assert (told["executions_open running"], told["executions_open waiting"]) == (1.0, 1.0)
    assert (told["approvals_pending"], told["approvals_oldest_seconds"]) == (1.0, COUNTED_S)
    await world.approve(waiting.record.execution_id)
    await world.engine.drain()  # nobody does what is due
    world.clock.pass_(2_000)
    told = await gauges(figures)
    assert (told["approvals_pending"], told["executions_open waiting"]) == (0.0, 0.0)
    assert told["oldest_due_seconds"] == COUNTED_S


async def test_the_store_counts_what_happened_in_the_transaction_of_it(world: World) -> None:
    started = await world.start(definition(approval("sign", deadline_s=60)))
    world.clock.pass_(62.0)
    await world.engine.wake_due()
    assert (await world.ended(started.record.execution_id)).status is ExecutionStatus.FAILED, (
        "nothing follows `expired`"
    )
    assert await counters(world.database) == {
        "executions_started_total": 1.0,
        "executions_ended_total failed": 1.0,
        "approvals_opened_total": 1.0,
        "approvals_closed_total expired": 1.0,
        "step_duration_seconds_count approval": 1.0,
        "step_duration_seconds_sum approval": 62.0,
        "timer_lag_seconds_count": 1.0,
        "timer_lag_seconds_sum": 2.0,
    }


async def test_an_execution_that_breaks_off_is_counted_as_failed_once(world: World) -> None:
    world.outside.gives = lambda _: None
    started = await world.start(definition(ask("a")))
    execution_id = started.record.execution_id
    await world.engine._break(execution_id, ValueError("damaged"))
    await world.engine._break(execution_id, ValueError("damaged"))
    assert (await counters(world.database))["executions_ended_total failed"] == 1.0
