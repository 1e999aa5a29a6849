"""A server's dispatcher over its store, with receivers on loopback: from the outbox to the receiver, and through what
people do to endpoints meanwhile."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from worlds.waiting import eventually
from worlds.webhook_store import endpoint

from aragora.clock import SystemClock
from aragora.config.settings import Settings
from aragora.debate.journal import row_of
from aragora.debate.model import DebateEnded, DebateSpec, DebateStatus, Protocol
from aragora.debate.records import DebateRecord, told_row
from aragora.debate.store.debates import Row, Span
from aragora.encoding import encode_text
from aragora.errors import Fenced, NotFound
from aragora.ids import new_id
from aragora.secrets.encryption import EncryptionService
from aragora.secrets.keyring import Keyring
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRow
from aragora.webhooks.dispatcher import Dispatcher
from aragora.webhooks.endpoint import Endpoint
from aragora.webhooks.guard import Guard, allowed_networks
from aragora.webhooks.ids import delivery_id
from aragora.webhooks.local import LocalDelivery
from aragora.webhooks.model import DeliveryStatus, Rules, TargetStatus
from aragora.webhooks.replay import Replay, Selection, Wish
from aragora.webhooks.resolver import Resolver
from aragora.webhooks.sender import Sender
from aragora.webhooks.store.deliveries import DeliveryStore
from aragora.webhooks.store.endpoints import EndpointStore
from aragora.webhooks.store.replays import ReplayStore
from tests.standins.receivers import Receiver, Visit, answer, answering, answering_in_turn, listening

Open = Callable[[], Database]
QUICK = Rules(base_s=0.05, max_s=0.05, max_retries=3)


class OneDebate:
    """A debate with as many ends as are asked for."""

    def __init__(self) -> None:
        self.journal: list[str] = []
        self.began_at = SystemClock().now()

    async def get(self, debate_id: str) -> DebateRecord:
        spec = DebateSpec(debate_id, "Which queue?", ("a", "b"), Protocol("structured"), seed=7)
        return DebateRecord(debate_id, "q", DebateStatus.ACTIVE, encode_text(spec), 1.0, 1.0, "ann", "local")

    async def events(self, debate_id: str, after: int = 0, limit: int = 500) -> list[str]:
        return self.journal[after : after + limit]

    async def began(self, org_id: str, after: tuple[float, str] | None, before: float, limit: int) -> list[Span]:
        place = (self.began_at, "deb_1")
        fits = org_id == "local" and self.began_at < before and (after is None or place > after)
        return [Span("deb_1", self.began_at, SystemClock().now())][:limit] if fits else []

    async def happened(
        self, debate_id: str, types: Collection[str], *, since: float, until: float, after: int, limit: int
    ) -> list[Row]:
        rows = [Row(seq, since, payload) for seq, payload in enumerate(self.journal, 1)]
        return [row for row in rows if row.seq > after and row.at < until and "debate_end" in types][:limit]

    def ended(self) -> OutboxRow:
        row = row_of(
            "deb_1", len(self.journal) + 1, SystemClock().now(), DebateEnded(DebateStatus.COMPLETED, "decided", 3, 0.25)
        )
        self.journal.append(row.payload)
        return told_row(row)


class World:
    """Dispatchers over one store, closed after the test."""

    def __init__(self, opened: Open, settings: Settings) -> None:
        self._opened = opened
        self._dispatchers: list[tuple[Dispatcher, Sender]] = []
        self.crypto = EncryptionService(Keyring.ephemeral())
        self.settings = settings
        self.debates = OneDebate()
        self.store = DeliveryStore(opened())
        self.endpoints = EndpointStore(opened(), SystemClock(), self.crypto)
        self.replays = ReplayStore(opened())

    async def dispatcher(self) -> Dispatcher:
        guard, clock = Guard(allowed_networks(("127.0.0.1",)), False, frozenset()), SystemClock()
        sender = Sender(
            guard, resolver=Resolver(guard, clock=clock), clock=clock, ca_file=None, proxy=None, user_agent="test"
        )
        made = Dispatcher(
            self._opened(), self.debates, self.crypto, sender, clock=clock, slots=50, max_payload_bytes=262_144
        )
        await made.begin()
        self._dispatchers.append((made, sender))
        return made

    async def replay(self, one: Endpoint, selection: Selection, rate_per_s: float = 500.0) -> Replay:
        """A replay of the last hour, stored."""
        now = SystemClock().now()
        wish = Wish(now - 3_600.0, now, selection, rate_per_s=rate_per_s)
        asked = Replay(new_id("rpl"), "local", one.endpoint_id, now, "ann", wish)
        return await self.replays.add(asked, limit=5)

    async def replayed(self, replay: Replay) -> Replay:
        """The replay once it has ended."""

        async def ended() -> Replay | None:
            found = await self.replays.get("local", replay.replay_id)
            return None if found.ended_at is None else found

        found = await eventually(ended, "the end of a replay")
        assert found is not None
        return found

    async def registered(self, receiver: Receiver, number: int = 1, **changes: Any) -> Endpoint:
        made = endpoint(number, url=f"{receiver.url}/{number}", rules=QUICK, secret="whsec_" + "a" * 43 + "=")
        return await self.endpoints.add(replace(made, **changes), limit=10)

    def status_of(self, one: Endpoint, seq: int = 1) -> Callable[[], Awaitable[DeliveryStatus]]:
        async def status() -> DeliveryStatus:
            return (await self.store.get("local", delivery_id(f"deb_1:{seq}", one.endpoint_id))).status

        return status

    async def is_(self, one: Endpoint, status: DeliveryStatus, seq: int = 1) -> None:
        async def holds() -> bool:
            return await self.status_of(one, seq)() is status

        await eventually(holds, f"{status}")

    async def aclose(self) -> None:
        for dispatcher, sender in self._dispatchers:
            await dispatcher.drain(0.0)
            await sender.aclose()


@pytest.fixture
async def world(opened: Open, settings: Settings) -> AsyncIterator[World]:
    made = World(opened, settings)
    yield made
    await made.aclose()


@asynccontextmanager
async def served(world: World, *answers: bytes) -> AsyncIterator[tuple[Dispatcher, Receiver, Endpoint]]:
    """A dispatcher, a receiver and its endpoint."""
    async with listening(answering_in_turn(*answers)) as receiver:
        one = await world.registered(receiver)
        yield await world.dispatcher(), receiver, one


async def test_an_event_of_a_debate_arrives_once_however_often_the_outbox_tells_of_it(world: World) -> None:
    async with served(world, answer()) as (dispatcher, receiver, one):
        row = world.debates.ended()
        await dispatcher.fan_out([row])
        await world.is_(one, DeliveryStatus.DELIVERED)
        await dispatcher.fan_out([row])
        await dispatcher.sweep()
        assert one.endpoint_id not in dispatcher._owner.queues, "an idle endpoint costs no memory"
    (request,) = receiver.received
    body = json.loads(request.body)
    assert (body["delivery_id"], body["type"], body["seq"]) == (
        delivery_id("deb_1:1", one.endpoint_id),
        "debate_end",
        1,
    )
    assert request.header("webhook-id") == "deb_1:1"


async def test_a_paused_endpoint_gets_what_came_meanwhile_once_it_is_enabled(world: World) -> None:
    async with served(world, answer()) as (dispatcher, receiver, one):
        await world.endpoints.set_status("local", one.endpoint_id, TargetStatus.PAUSED, "by hand")
        await dispatcher.endpoint_changed(one.endpoint_id)
        for _ in range(3):
            await dispatcher.fan_out([world.debates.ended()])
        await dispatcher.sweep()
        assert receiver.connections == 0
        assert await world.store.due(SystemClock().now() + 60.0, 10) == [], "no sweep comes upon them"

        await world.endpoints.set_status("local", one.endpoint_id, TargetStatus.ENABLED, "")
        await dispatcher.endpoint_changed(one.endpoint_id)
        for seq in (1, 2, 3):
            await world.is_(one, DeliveryStatus.DELIVERED, seq)


async def test_what_waits_for_an_endpoint_that_is_deleted_is_cancelled(world: World) -> None:
    async with served(world, answer(500)) as (dispatcher, _, one):
        await world.endpoints.set_status("local", one.endpoint_id, TargetStatus.PAUSED, "by hand")
        await dispatcher.endpoint_changed(one.endpoint_id)
        await dispatcher.fan_out([world.debates.ended()])
        await world.endpoints.delete("local", one.endpoint_id)
        await dispatcher.endpoint_changed(one.endpoint_id)
        assert await world.status_of(one)() is DeliveryStatus.CANCELLED


async def test_a_receiver_that_is_gone_is_disabled_and_another_endpoint_is_told(world: World) -> None:
    async with served(world, answer(410)) as (dispatcher, receiver, one), listening(answering(answer())) as other:
        await world.registered(other, 2, events=("webhook.disabled", "webhook.exhausted"))
        await dispatcher.fan_out([world.debates.ended()])
        await world.is_(one, DeliveryStatus.DEAD_LETTERED)
        await eventually(lambda: len(other.received) == 2)

        async def disabled() -> bool:
            return (await world.endpoints.get("local", one.endpoint_id)).status is TargetStatus.DISABLED

        await eventually(disabled)
        await dispatcher.fan_out([world.debates.ended()])
        await dispatcher.sweep()
    assert len(receiver.received) == 1
    told = {json.loads(each.body)["type"]: json.loads(each.body)["data"] for each in other.received}
    assert told["webhook.disabled"]["webhook_id"] == one.endpoint_id
    assert told["webhook.exhausted"]["last_code"] == 410


async def test_a_successor_finishes_what_waits_and_the_one_before_stores_nothing_more(world: World) -> None:
    async with served(world, answer(503, headers={"Retry-After": "1"}), answer()) as (before, receiver, one):
        await before.fan_out([world.debates.ended()])
        await world.is_(one, DeliveryStatus.RETRYING)
        after = await world.dispatcher()
        with pytest.raises(Fenced):
            await before.fan_out([world.debates.ended()])
        await after.fan_out([world.debates.ended()])
        for seq in (1, 3):
            await world.is_(one, DeliveryStatus.DELIVERED, seq)
    ids = [each.header("webhook-id") for each in receiver.received]
    assert ids.count("deb_1:3") == 1


async def test_deliveries_that_a_process_without_a_server_left_are_finished_by_the_dispatcher(
    world: World,
) -> None:
    settings = world.settings.model_copy(update={"webhook_allowed_networks": ("127.0.0.1/32",)})
    async with served(world, answer(500), answer()) as (dispatcher, receiver, _):
        local = await LocalDelivery.open(settings, QUICK, world.crypto)
        left = await local.deliver("wh-123", "debate_end", {}, f"{receiver.url}/direct", "your-secret-key")
        assert left.status == "RETRYING"
        await local.aclose()
        await dispatcher.sweep()

        async def arrived() -> bool:
            return (await world.store.get("local", left.delivery_id)).status is DeliveryStatus.DELIVERED

        await eventually(arrived)
    assert [each.header("X-Webhook-Attempt") for each in receiver.received] == ["1", "2"]


async def test_an_endpoint_that_keeps_order_gets_its_events_in_order_over_failures_and_a_restart(world: World) -> None:
    seen: list[str] = []

    async def failing_every_other_time(visit: Visit) -> None:
        while True:
            request = await visit.request()
            fails = len(seen) % 2 == 0
            seen.append(f"{request.header('webhook-id')} {500 if fails else 200}")
            await visit.send(answer(500 if fails else 200))

    async with listening(failing_every_other_time) as receiver:
        one = await world.registered(receiver, rules=replace(QUICK, fifo=True, failure_threshold=1000))
        dispatcher = await world.dispatcher()
        await dispatcher.fan_out([world.debates.ended() for _ in range(5)])
        await eventually(lambda: len(seen) >= 4)
        await dispatcher.drain(5.0)
        dispatcher = await world.dispatcher()
        await dispatcher.fan_out([world.debates.ended() for _ in range(5)])
        await world.is_(one, DeliveryStatus.DELIVERED, 10)
    arrived = [each.split()[0] for each in seen if each.endswith("200")]
    assert arrived == [f"deb_1:{seq}" for seq in range(1, 11)]


async def test_a_test_is_sent_once_and_counts_for_nothing(world: World) -> None:
    async with served(world, answer(500)) as (dispatcher, receiver, one):
        told = await dispatcher.test(one.endpoint_id, "receipt")
        assert (told.code, told.failure) == (500, "status")
        with pytest.raises(NotFound):
            await dispatcher.test("wh_unknown", "receipt")
    (request,) = receiver.received
    assert json.loads(request.body)["type"] == "receipt"
    assert await world.store.targets((one.endpoint_id,)) == {}


async def test_a_new_url_is_used_from_the_change_on(world: World) -> None:
    async with served(world, answer(500)) as (dispatcher, _, one), listening(answering(answer())) as moved:
        await world.endpoints.change(
            "local", one.endpoint_id, lambda it: replace(it, rules=replace(QUICK, base_s=30.0, max_s=30.0))
        )
        await dispatcher.endpoint_changed(one.endpoint_id)
        await dispatcher.fan_out([world.debates.ended()])
        await world.is_(one, DeliveryStatus.RETRYING)
        await world.endpoints.change("local", one.endpoint_id, lambda it: replace(it, url=moved.url))
        await dispatcher.endpoint_changed(one.endpoint_id)
        await dispatcher.fan_out([world.debates.ended()])
        await world.is_(one, DeliveryStatus.DELIVERED, 2)
    assert len(moved.received) == 1


async def test_many_endpoints_and_events_arrive_each_once(world: World) -> None:
    async with listening(answering(answer())) as receiver:
        for number in range(1, 11):
            await world.registered(receiver, number)
        dispatcher = await world.dispatcher()
        await dispatcher.fan_out([world.debates.ended() for _ in range(20)])
        await eventually(lambda: len(receiver.received) == 200)
    assert len({each.header("X-Webhook-Delivery-Id") for each in receiver.received}) == 200


async def test_a_replay_brings_what_came_while_an_endpoint_was_disabled_and_what_had_died_in_order(
    world: World,
) -> None:
    async with served(world, *[answer(500)] * 4, answer()) as (dispatcher, receiver, one):
        for _ in range(3):
            world.debates.ended()
        await dispatcher.fan_out([world.debates.ended()])
        await world.is_(one, DeliveryStatus.DEAD_LETTERED, 4)
        replaying = dispatcher.replaying(world.debates)
        replaying.start()
        failed = await world.replay(one, Selection.FAILED)
        replaying.look()
        assert (await world.replayed(failed)).revived == 1
        await world.is_(one, DeliveryStatus.DELIVERED, 4)

        missing = await world.replay(one, Selection.MISSING)
        replaying.look()
        assert (await world.replayed(missing)).made == 3
        for seq in (1, 2, 3):
            await world.is_(one, DeliveryStatus.DELIVERED, seq)
        await eventually(lambda: not replaying.busy)
        await replaying.aclose()
    ids = [each.header("webhook-id") for each in receiver.received]
    assert ids[:5] == ["deb_1:4"] * 5, "under its own id, with all its retries"
    assert sorted(ids[5:]) == ["deb_1:1", "deb_1:2", "deb_1:3"]
    assert receiver.received[4].header("X-Webhook-Attempt") == "5"


async def test_a_replay_goes_on_with_the_next_dispatcher_and_the_one_before_lets_go(world: World) -> None:
    async with listening(answering(answer())) as receiver:
        one = await world.registered(receiver, rules=replace(QUICK, fifo=True))
        for _ in range(30):
            world.debates.ended()
        first = await world.dispatcher()
        replay = await world.replay(one, Selection.MISSING, rate_per_s=10.0)
        before = first.replaying(world.debates)
        before.start()
        await eventually(lambda: len(receiver.received) > 0)
        second = await world.dispatcher()
        after = second.replaying(world.debates)
        after.start()
        assert (await world.replayed(replay)).made == 30
        await eventually(lambda: not before.busy, "the one before has let go")
        await world.is_(one, DeliveryStatus.DELIVERED, 30)
        await before.aclose()
        await after.aclose()
    arrived = [each.header("webhook-id") for each in receiver.received]
    assert list(dict.fromkeys(arrived)) == [f"deb_1:{seq}" for seq in range(1, 31)], "in order"
    assert len(arrived) <= 30 + 1, "one was on its way when its dispatcher was replaced"
