"""When executions are given a process that runs them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from worlds.workflow_runner import World
from worlds.workflowing import approval, definition

from actors.gateways.workflows import wake_where_due
from aragora.storage.database import Database


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    made = World(database)
    await made.begin()
    yield made
    await made.close()


class Runtime:
    """Counts how often the runner was asked for."""

    def __init__(self) -> None:
        self.asked = 0

    def at(self, kind: object, key: str) -> Runtime:
        return self

    async def ask(self, message: object, *, timeout_s: float) -> None:
        self.asked += 1


async def woken(database: Database) -> bool:
    runtime = Runtime()
    said = await wake_where_due(cast("Any", runtime), database)
    assert (said == "executions go on") == bool(runtime.asked)
    return runtime.asked == 1


async def test_while_an_execution_is_open_there_is_a_runner_though_it_waits_for_a_person(
    world: World, database: Database
) -> None:
    """W16: the answer of a person must not wait for a process to start."""
    assert not await woken(database)
    execution_id = (await world.start(definition(approval("sign")))).record.execution_id
    await world.pending(execution_id)
    assert not (await world.record(execution_id)).active
    assert await woken(database)
    await world.engine.pause(execution_id, "ann")
    assert await woken(database)
    await world.engine.resume(execution_id, "ann")
    await world.approve(execution_id)
    await world.ended(execution_id)
    assert not await woken(database)
