"""Endpoints with a process of their own: given to it and taken back without losing a delivery or sending one twice, and
with one owner at any time, whoever dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from structlog.testing import capture_logs
from worlds.hot_processes import HotProcesses
from worlds.waiting import WAIT_S, eventually
from worlds.webhook_dispatchers import QUICK, World

from aragora.clock import SystemClock
from aragora.errors import Fenced, Unavailable
from aragora.webhooks.dispatcher import Dispatcher
from aragora.webhooks.endpoint import Endpoint
from aragora.webhooks.hot_endpoint import HotEndpoint, Made, Warmth, key_of
from aragora.webhooks.hot_endpoints import IN_DISPATCHER, IN_PROCESS, HotEndpoints
from aragora.webhooks.ids import delivery_id
from aragora.webhooks.model import DeliveryStatus, TargetStatus
from aragora.webhooks.store.owners import Owners
from tests.standins.receivers import Receiver, Visit, answer, listening

WAITS_LONG = {"base_s": 20.0, "max_s": 20.0}
"""Of a delivery that has failed: it is held for its retry, which comes after the test."""


@pytest.fixture(autouse=True)
def only_what_the_test_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """No look and no sweep of its own after the first ones, and patience with a busy machine."""
    for name in ("hot_endpoints.LOOK_S", "dispatcher.SWEEP_S"):
        monkeypatch.setattr(f"aragora.webhooks.{name}", 3_600.0)
    for name in ("HAND_OVER_S", "RELEASE_S", "TROUBLED_S"):
        monkeypatch.setattr(f"aragora.webhooks.hot_endpoints.{name}", WAIT_S)


class Gate:
    """A receiver that answers `code`, while it is open."""

    def __init__(self) -> None:
        self.code = 200
        self.opened = asyncio.Event()
        self.opened.set()
        self.waiting = 0

    async def __call__(self, visit: Visit) -> None:
        while True:
            await visit.request()
            self.waiting += 1
            await self.opened.wait()
            self.waiting -= 1
            await visit.send(answer(self.code))


class Stage:
    """A dispatcher, one endpoint and its receiver."""

    def __init__(self, world: World, processes: HotProcesses, receiver: Receiver, gate: Gate, one: Endpoint) -> None:
        self.world = world
        self.processes = processes
        self.receiver = receiver
        self.gate = gate
        self.id = one.endpoint_id
        self.endpoint = one
        self.owners = Owners(world.opened(), SystemClock())
        self.dispatcher: Dispatcher

    async def begin(self) -> HotEndpoints:
        """A dispatcher, the next one."""
        self.dispatcher = await self.world.dispatcher(processes=self.processes, hot_endpoints=2)
        self.processes.authority = self.dispatcher
        # The first sweep closes the lanes of endpoints for which nothing waits: one of the test's may be among them.
        await eventually(lambda: self.dispatcher._looked_ahead, "the first sweep has ended")
        return self.hot

    @property
    def hot(self) -> HotEndpoints:
        return self.dispatcher._hot

    async def promoted(self) -> HotEndpoint:
        """The process that has the endpoint now. The dispatcher must have a lane for it."""
        assert await self.hot.promote(self.id)
        return await eventually(lambda: self.processes.hot.get(self.id), "the endpoint has a process")

    async def happen(self, count: int = 1) -> None:
        for _ in range(count):
            await self.dispatcher.fan_out([self.world.debates.ended()])

    async def delivered(self, count: int) -> None:
        """Events 1 to `count` have arrived, each once."""
        for seq in range(1, count + 1):
            await self.world.is_(self.endpoint, DeliveryStatus.DELIVERED, seq)
        assert [one.header("webhook-id") for one in self.receiver.received] == [
            f"deb_1:{n}" for n in range(1, count + 1)
        ]

    async def all_delivered(self, count: int) -> None:
        """Events 1 to `count` have arrived, each once, in any order."""
        for seq in range(1, count + 1):
            await self.world.is_(self.endpoint, DeliveryStatus.DELIVERED, seq)
        arrived = sorted(one.header("webhook-id") for one in self.receiver.received)
        assert arrived == [f"deb_1:{number}" for number in range(1, count + 1)]

    async def owner(self) -> str:
        held = await self.owners.current(key_of(self.id))
        assert held is not None
        return held.owner


@asynccontextmanager
async def staged(world: World, *, fifo: bool = True, **rules: float) -> AsyncIterator[Stage]:
    """One delivery at a time, so that the order of arrivals is that of the events."""
    processes = HotProcesses(world.opened, world.crypto)
    gate = Gate()
    async with listening(gate) as receiver:
        one = await world.registered(receiver, rules=replace(QUICK, fifo=fifo, **rules))
        stage = Stage(world, processes, receiver, gate, one)
        await stage.begin()
        yield stage
        await stage.dispatcher.drain(0.0)
        await processes.aclose()


async def test_an_endpoint_goes_to_a_process_and_back_and_each_event_arrives_once_in_order(world: World) -> None:
    async with staged(world) as stage:
        await stage.happen(3)
        await stage.promoted()
        await stage.happen(3)
        await stage.delivered(6)
        assert await stage.owner() == IN_PROCESS
        assert stage.id not in stage.dispatcher._owner.queues

        await stage.happen(2)
        await stage.hot.take_back(stage.id, 30.0)
        await stage.happen(2)
        await stage.delivered(10)
        assert await stage.owner() == IN_DISPATCHER
        assert not stage.processes.hot
        assert stage.dispatcher._owner.queues.target(stage.id).breaker.consecutive_failures == 0


async def test_what_is_on_its_way_ends_before_an_endpoint_changes_hands(world: World) -> None:
    async with staged(world, fifo=False) as stage:
        stage.gate.opened.clear()
        await stage.happen(3)
        await eventually(lambda: stage.gate.waiting == 3, "three requests are on their way")
        promoting = asyncio.ensure_future(stage.hot.promote(stage.id))
        await eventually(lambda: stage.dispatcher._owner.queues._lanes[stage.id].resting)
        await stage.happen(2)
        assert stage.gate.waiting == 3, "nothing new is sent meanwhile"
        stage.gate.opened.set()
        assert await promoting
        await stage.all_delivered(5)


async def test_an_endpoint_whose_requests_do_not_end_stays_where_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aragora.webhooks.hot_endpoints.HAND_OVER_S", 0.05)
    async with staged(world, fifo=False) as stage:
        stage.gate.opened.clear()
        await stage.happen()
        await eventually(lambda: stage.gate.waiting == 1, "a request is on its way")
        assert not await stage.hot.promote(stage.id)
        await stage.happen()
        await eventually(lambda: stage.gate.waiting == 2, "it is sent to again")
        stage.gate.opened.set()
        await stage.all_delivered(2)
        assert not stage.processes.begun


async def test_a_process_that_dies_has_a_successor_which_sends_the_rest(world: World) -> None:
    async with staged(world) as stage:
        await stage.happen()
        await stage.promoted()
        await stage.delivered(1)
        stage.processes.kill(stage.id)
        await stage.happen(3)
        await stage.delivered(4)
        assert stage.processes.begun == [(stage.id, 1), (stage.id, 2)]


async def test_a_process_that_died_without_a_message_is_found_by_the_next_look(world: World) -> None:
    async with staged(world) as stage:
        await stage.happen()
        await stage.promoted()
        await stage.delivered(1)
        stage.processes.kill(stage.id)
        await stage.hot.look()
        await eventually(lambda: stage.id in stage.processes.hot, "it has a process again")


async def test_a_late_answer_takes_nothing_from_a_process_that_was_granted_the_endpoint_since(world: World) -> None:
    """The look asked the process that died, and hears of it when its successor has requests on their way."""
    async with staged(world) as stage:
        await stage.happen()
        await stage.promoted()
        await stage.delivered(1)
        asked, answered = asyncio.Event(), asyncio.Event()

        async def late(endpoint_id: str, epoch: int) -> Warmth:
            asked.set()
            await answered.wait()
            raise Fenced(f"{endpoint_id} is not had by epoch {epoch}")

        stage.processes.warmth = late  # type: ignore[method-assign]
        looking = asyncio.ensure_future(stage.hot.look())
        await asked.wait()
        stage.processes.kill(stage.id)
        stage.gate.opened.clear()
        await stage.happen()
        await eventually(lambda: stage.gate.waiting == 1, "the successor has a request on its way")
        answered.set()
        await looking
        await stage.happen()
        stage.gate.opened.set()
        await stage.delivered(3)
        assert stage.processes.begun == [(stage.id, 1), (stage.id, 2)]


async def test_a_process_that_is_just_taking_an_endpoint_is_not_granted_it_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with staged(world) as stage:
        reading, read = asyncio.Event(), asyncio.Event()
        work = HotEndpoint.work

        async def slowly(self: HotEndpoint) -> None:
            await work(self)
            reading.set()
            await read.wait()

        await stage.happen()
        await stage.delivered(1)
        monkeypatch.setattr(HotEndpoint, "work", slowly)
        stage.gate.opened.clear()
        assert await stage.hot.promote(stage.id)
        await reading.wait()
        await stage.happen()
        looking = asyncio.ensure_future(stage.hot.look())
        await stage.happen()
        read.set()
        await looking
        await eventually(lambda: stage.gate.waiting == 1, "the process sends")
        stage.gate.opened.set()
        await stage.delivered(3)
        assert stage.processes.begun == [(stage.id, 1)]


async def test_a_process_that_could_not_take_an_endpoint_sends_nothing_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with staged(world, fifo=False) as stage:
        await stage.happen()
        await stage.all_delivered(1)
        work, tried = HotEndpoint.work, [0]

        async def away_at_first(self: HotEndpoint) -> None:
            await work(self)
            tried[0] += 1
            if tried[0] == 1:
                await eventually(lambda: stage.gate.waiting == 2, "what it has read is on its way")
                raise Unavailable("the store is away")

        monkeypatch.setattr(HotEndpoint, "work", away_at_first)
        stage.gate.opened.clear()
        promoting = asyncio.ensure_future(stage.hot.promote(stage.id))
        await stage.happen(2)
        assert await promoting
        await eventually(lambda: stage.processes.begun, "another try has begun")
        ended = [hot._owner._deliverer._ended for hot in stage.processes._made]  # type: ignore[union-attr]
        assert ended == [True, False]
        stage.gate.opened.set()
        for seq in (1, 2, 3):
            await world.is_(stage.endpoint, DeliveryStatus.DELIVERED, seq)


async def test_a_late_grant_ends_nothing(world: World) -> None:
    async with staged(world) as stage:
        await stage.happen()
        await stage.promoted()
        await stage.delivered(1)
        stage.processes.kill(stage.id)
        await stage.happen()
        await stage.delivered(2)
        process = stage.processes.hot[stage.id]
        with pytest.raises(Fenced):
            await stage.processes.begin(stage.id, 1)
        assert stage.processes.hot[stage.id] is process
        await stage.happen()
        await stage.delivered(3)


async def test_the_next_dispatcher_leaves_an_endpoint_to_its_process(world: World) -> None:
    async with staged(world) as stage:
        await stage.happen()
        process = await stage.promoted()
        await stage.delivered(1)
        before = stage.dispatcher

        await stage.begin()
        await stage.happen(2)
        await stage.delivered(3)
        assert stage.processes.hot[stage.id] is process
        with pytest.raises(Fenced):
            await before._hot._advance(stage.id, IN_DISPATCHER)
        await before._hot.look()  # it takes nothing from the one that came after it


async def test_what_was_stored_while_nobody_told_the_process_is_found(world: World) -> None:
    """The dispatcher died between the store and its message."""
    async with staged(world) as stage:
        await stage.happen()
        await stage.promoted()
        await stage.delivered(1)
        stage.hot.take = lambda event, deliveries: []  # type: ignore[method-assign]
        await stage.happen(2)
        await stage.begin()
        await stage.delivered(3)


async def test_an_endpoint_whose_process_is_in_trouble_is_taken_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aragora.webhooks.hot_endpoints.TROUBLED_S", 0.0)
    async with staged(world) as stage:
        await stage.happen()
        process = await stage.promoted()
        await stage.delivered(1)
        stage.processes.away.add(stage.id)
        await stage.happen(2)
        await eventually(lambda: stage.hot._lines[stage.id].in_trouble_for_s() > 0.0, "it is in trouble")
        await stage.hot.look()
        await stage.delivered(3)
        assert await stage.owner() == IN_DISPATCHER
        stage.processes.away.clear()
        await process.work()  # it comes back, and sends what it finds ...
        await stage.happen()
        await stage.delivered(4)  # ... which was nothing


async def test_a_process_that_was_cut_off_stores_nothing(world: World) -> None:
    async with staged(world) as stage:
        await stage.happen()
        process = await stage.promoted()
        await stage.delivered(1)
        stage.gate.opened.clear()
        await stage.happen()
        await eventually(lambda: stage.gate.waiting == 1, "a request of the process is on its way")
        stage.processes.away.add(stage.id)
        await stage.hot.take_back(stage.id, 0.0)
        await eventually(lambda: stage.gate.waiting == 2, "the dispatcher sends it too: it knows of no answer")
        stage.gate.opened.set()
        await eventually(lambda: process._following.are_fenced, "the process learns of it")
        await world.is_(stage.endpoint, DeliveryStatus.DELIVERED, 2)
        account = await world.store.account("local", delivery_id("deb_1:2", stage.id))
        assert [attempt.number for attempt in account.attempts] == [1]
        with pytest.raises(Fenced):
            await process.work()


async def test_pausing_enabling_and_deleting_reach_the_process(world: World) -> None:
    async with staged(world, **WAITS_LONG) as stage:
        await stage.happen()
        await stage.promoted()
        await stage.delivered(1)

        await world.endpoints.set_status("local", stage.id, TargetStatus.PAUSED, "by hand")
        await stage.dispatcher.endpoint_changed(stage.id)
        await stage.happen(2)
        await stage.dispatcher.sweep()
        assert len(stage.receiver.received) == 1
        await world.endpoints.set_status("local", stage.id, TargetStatus.ENABLED, "")
        await stage.dispatcher.endpoint_changed(stage.id)
        await stage.delivered(3)

        stage.gate.code = 500
        await stage.happen()
        await world.is_(stage.endpoint, DeliveryStatus.RETRYING, 4)
        await world.endpoints.delete("local", stage.id)
        await stage.dispatcher.endpoint_changed(stage.id)
        await world.is_(stage.endpoint, DeliveryStatus.CANCELLED, 4)


async def test_an_endpoint_whose_process_cannot_be_told_of_a_change_is_taken_back(world: World) -> None:
    async with staged(world) as stage:
        await stage.happen()
        await stage.promoted()
        await stage.delivered(1)
        stage.processes.away.add(stage.id)
        await world.endpoints.set_status("local", stage.id, TargetStatus.PAUSED, "by hand")
        await stage.dispatcher.endpoint_changed(stage.id)
        await stage.happen()
        await stage.dispatcher.sweep()
        assert await stage.owner() == IN_DISPATCHER
        assert len(stage.receiver.received) == 1


async def test_a_delivery_that_is_cancelled_is_not_sent_by_the_process(world: World) -> None:
    async with staged(world, fifo=False, **WAITS_LONG) as stage:
        stage.gate.code = 500
        await stage.happen()
        process = await stage.promoted()
        await world.is_(stage.endpoint, DeliveryStatus.RETRYING)
        await eventually(lambda: process.warmth().held == 1, "it waits for its retry in the process")
        await stage.dispatcher.cancelled(stage.id, delivery_id("deb_1:1", stage.id))
        await eventually(lambda: process.warmth().held == 0, "it is held no more")


async def test_a_receiver_that_is_gone_is_disabled_by_its_process(world: World) -> None:
    async with staged(world) as stage:
        await stage.happen()
        await stage.promoted()
        await stage.delivered(1)
        stage.gate.code = 410
        await stage.happen()
        await world.is_(stage.endpoint, DeliveryStatus.DEAD_LETTERED, 2)

        async def disabled() -> bool:
            return (await world.endpoints.get("local", stage.id)).status is TargetStatus.DISABLED

        await eventually(disabled, "the endpoint is disabled")


async def test_what_is_sent_much_gets_a_process_and_loses_it_when_it_grows_cold(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with staged(world, fifo=False) as stage:
        await stage.happen()
        await stage.all_delivered(1)
        monkeypatch.setattr(stage.hot._heat, "hot", lambda now: [stage.id])
        await stage.hot.look()
        assert stage.id in stage.hot
        monkeypatch.setattr(stage.hot._heat, "hot", lambda now: [])
        await eventually(lambda: stage.id in stage.processes.hot, "it has a process")
        for _ in range(6):
            assert stage.id in stage.hot
            await stage.hot.look()
        assert stage.id not in stage.hot
        await stage.happen()
        await stage.all_delivered(2)


async def test_no_more_endpoints_have_a_process_than_may(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async with staged(world, fifo=False) as stage:
        others = [await world.registered(stage.receiver, number) for number in (2, 3)]
        await stage.dispatcher.endpoint_changed(others[0].endpoint_id)
        await stage.happen()
        monkeypatch.setattr(stage.hot._heat, "hot", lambda now: [stage.id, *(one.endpoint_id for one in others)])
        await stage.hot.look()
        assert len(stage.hot) == 2


async def test_an_endpoint_that_was_sent_much_and_is_deleted_gets_no_process(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with staged(world, fifo=False) as stage:
        await stage.happen()
        await stage.all_delivered(1)
        await world.endpoints.delete("local", stage.id)
        await stage.dispatcher.endpoint_changed(stage.id)
        monkeypatch.setattr(stage.hot._heat, "hot", lambda now: [stage.id])
        await stage.hot.look()
        assert not stage.processes.processes
        assert stage.id not in stage.hot


async def test_a_drain_ends_every_process_and_nothing_is_sent_twice(world: World) -> None:
    async with staged(world) as stage:
        await stage.happen()
        await stage.promoted()
        await stage.happen(2)
        await stage.delivered(3)
        with capture_logs() as logs:
            assert await stage.dispatcher.drain(30.0) == 0
            assert await stage.dispatcher.drain(0.0) == 0
        assert [line for line in logs if line["log_level"] == "warning"] == []
        assert await stage.owner() == IN_DISPATCHER
        assert not stage.processes.hot
        await stage.begin()
        await stage.happen()
        await stage.delivered(4)


async def test_what_a_process_has_found_by_itself_is_not_sent_again_when_it_is_handed_over(world: World) -> None:
    async with staged(world) as stage:
        await stage.happen()
        process = await stage.promoted()
        late: list[Made] = []
        stage.hot._lines[stage.id].put = late.append  # type: ignore[method-assign]
        await stage.happen(2)
        await process.work()
        await stage.delivered(3)
        await process.take(late)
        await stage.happen()
        await process.work()
        await stage.delivered(4)
