"""The dispatcher of webhooks, as the outbox and the routes reach it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

from actors.kinds import COORDINATOR, DISPATCHER, DISPATCHER_KEY
from actors.runtime import Runtime
from aragora.background import Job
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRow
from aragora.webhooks.model import Answer
from aragora.webhooks.store.deliveries import DeliveryStore
from aragora.webhooks.store.replays import ReplayStore
from aragora.webhooks.telling import Choices, wanted_rows

FAN_OUT_S: Final = 60.0
COMMAND_S: Final = 20.0
TEST_S: Final = 40.0
LOOK_S: Final = 300.0


class DispatcherConsumer:
    """Brings what the outbox tells of debates to the dispatcher, which has a process from then on."""

    def __init__(self, runtime: Runtime) -> None:
        self._dispatcher = runtime.at(DISPATCHER, DISPATCHER_KEY)

    async def apply(self, rows: Sequence[OutboxRow]) -> None:
        """Returns once the deliveries are stored. Raises Unavailable."""
        told = tuple(rows)
        await self._dispatcher.ask(lambda it: it.fan_out(told), timeout_s=FAN_OUT_S)


class WorkflowEventsConsumer:
    """Brings what the outbox of executions tells of workflows to the dispatcher, which has a process from then on.
    Where no endpoint has chosen it, there is no need of one: `choices` says so at the time."""

    def __init__(self, runtime: Runtime, choices: Choices) -> None:
        self._dispatcher = runtime.at(DISPATCHER, DISPATCHER_KEY)
        self._choices = choices

    async def apply(self, rows: Sequence[OutboxRow]) -> None:
        """Returns once the deliveries are stored. Raises Unavailable."""
        told = wanted_rows(rows, await self._choices.choices())
        if told:
            await self._dispatcher.ask(lambda it: it.fan_out_workflows(told), timeout_s=FAN_OUT_S)


class DispatcherCommands:
    """Fulfils `aragora.webhooks.ports.Dispatching`."""

    def __init__(self, runtime: Runtime, coordinator_shards: int) -> None:
        self._dispatcher = runtime.at(DISPATCHER, DISPATCHER_KEY)
        self._coordinators = [runtime.at(COORDINATOR, str(shard)) for shard in range(coordinator_shards)]

    async def endpoint_changed(self, endpoint_id: str) -> None:
        """The coordinators hear of it too: they write into the outbox what endpoints chose."""
        await asyncio.gather(
            self._dispatcher.ask(lambda it: it.endpoint_changed(endpoint_id), timeout_s=COMMAND_S),
            *(one.ask(lambda it: it.choices_changed(), timeout_s=COMMAND_S) for one in self._coordinators),
        )

    async def work(self, endpoint_id: str) -> None:
        await self._dispatcher.ask(lambda it: it.work(endpoint_id), timeout_s=COMMAND_S)

    async def cancelled(self, endpoint_id: str, delivery_id: str) -> None:
        await self._dispatcher.ask(lambda it: it.cancelled(endpoint_id, delivery_id), timeout_s=COMMAND_S)

    async def replays(self) -> None:
        await self._dispatcher.ask(lambda it: it.replays(), timeout_s=COMMAND_S)

    async def test(self, endpoint_id: str, event_type: str) -> Answer:
        return await self._dispatcher.ask(lambda it: it.test(endpoint_id, event_type), timeout_s=TEST_S)

    async def verify(self, endpoint_id: str, challenge: str, version: int) -> Answer:
        return await self._dispatcher.ask(lambda it: it.verify(endpoint_id, challenge, version), timeout_s=TEST_S)


def watching(runtime: Runtime, database: Database) -> Job:
    """The job that wakes the dispatcher where something waits: a process without a server may have left it."""
    return Job("webhook dispatcher", LOOK_S, partial(wake_where_something_waits, runtime, database))


async def wake_where_something_waits(runtime: Runtime, database: Database) -> str:
    """Give the dispatcher a process where deliveries wait, or a replay runs; returns what was found. Raises
    Unavailable."""
    if await DeliveryStore(database).oldest_due() is None and not await ReplayStore(database).running(1):
        return "no webhook waits"
    await runtime.at(DISPATCHER, DISPATCHER_KEY).ask(lambda it: it.ready(), timeout_s=COMMAND_S)
    return "webhooks wait, and are delivered"
