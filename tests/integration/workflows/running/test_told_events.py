"""What webhooks tell of executions, over both databases: rows of the transaction that journals the events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest
from worlds.waiting import eventually
from worlds.workflow_runner import World
from worlds.workflowing import approval, chain, definition

from aragora.errors import Unavailable
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRow
from aragora.storage.outbox_store import OutboxStore
from aragora.webhooks.happenings import of_workflow
from aragora.workflows.telling import TOPIC

SHAPE = definition(*chain({"type": "notify", "id": "tell", "message": "It begins."}, approval("sign")))
TOLD = ["workflow.notified", "workflow.approval_requested", "workflow.approval_closed", "workflow.execution_ended"]


@dataclass
class Heard:
    """A consumer that is away at first."""

    away: int = 0
    rows: list[OutboxRow] = field(default_factory=list)

    async def apply(self, rows: Sequence[OutboxRow]) -> None:
        if self.away:
            self.away -= 1
            raise Unavailable("the dispatcher is away")
        self.rows.extend(rows)

    @property
    def types(self) -> list[str]:
        return [of_workflow(row.payload, 262_144).record.type for row in self.rows]


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    made = World(database)
    yield made
    await made.close()


async def to_its_end(world: World) -> str:
    started = await world.start(SHAPE)
    await world.approve(started.record.execution_id)
    await world.ended(started.record.execution_id)
    return started.record.execution_id


async def test_what_is_told_comes_to_the_consumer_once_and_in_order(world: World, database: Database) -> None:
    heard = Heard(away=1)
    world.consumers[TOPIC] = heard
    await world.begin()
    execution_id = await to_its_end(world)
    await eventually(lambda: len(heard.rows) >= len(TOLD), "all is told")
    assert heard.types == TOLD
    record = await world.record(execution_id)
    assert heard.rows[-1].outbox_id == f"{execution_id}:{TOPIC}:{record.last_seq}"

    async def empty() -> bool:
        return await OutboxStore(database).count(TOPIC) == 0

    await eventually(empty, "what was told is done")


async def test_rows_wait_in_the_store_for_a_consumer_of_the_next_owner(world: World, database: Database) -> None:
    world.consumers[TOPIC] = Heard(away=1_000_000)
    await world.begin()
    await to_its_end(world)
    assert await OutboxStore(database).count(TOPIC) == len(TOLD)
    heard = world.consumers[TOPIC] = Heard()
    await world.begin()
    await eventually(lambda: len(heard.rows) >= len(TOLD), "all is told")
    assert heard.types == TOLD


async def test_without_a_consumer_nothing_is_written(world: World, database: Database) -> None:
    await world.begin()
    await to_its_end(world)
    assert await OutboxStore(database).count(TOPIC) == 0
