"""A server's dispatcher over its store, with receivers on loopback: from the outbox to the receiver, and through what
people do to endpoints meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace

import pytest
import structlog
from worlds.waiting import WAIT_S, eventually
from worlds.webhook_dispatchers import QUICK, World, served

from aragora.clock import SystemClock
from aragora.encoding import encode_text
from aragora.errors import Fenced, NotFound
from aragora.observability.registry import Registry
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRow
from aragora.webhooks.counting import BLOCKED
from aragora.webhooks.ids import delivery_id
from aragora.webhooks.local import LocalDelivery
from aragora.webhooks.model import DeliveryStatus, TargetStatus
from aragora.webhooks.networks import Reason
from aragora.webhooks.replay import Selection
from aragora.webhooks.workflow_events import WorkflowRow
from tests.standins.receivers import Visit, answer, answering, listening

Open = Callable[[], Database]
BY_NETWORK = (("reason", "private"),)


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


async def test_an_event_of_a_workflow_arrives_once_however_often_the_outbox_tells_of_it(world: World) -> None:
    data = {"execution_id": "exe_1", "workspace": "default", "message": "It is out."}
    told = WorkflowRow("exe_1", 7, "local", "workflow.notified", SystemClock().now(), data)
    row = OutboxRow("exe_1:workflow_events:7", "workflow_events", "exe_1", encode_text(told), told.at)
    async with served(world) as (dispatcher, other, _), listening(answering(answer())) as receiver:
        await world.registered(receiver, 2, events=("*",))
        await dispatcher.fan_out_workflows([row])
        await eventually(lambda: len(receiver.received) == 1)
        await dispatcher.fan_out_workflows([row])
        await dispatcher.sweep()
        assert other.received == [], "it chose another type"
    (request,) = receiver.received
    body = json.loads(request.body)
    assert (request.header("webhook-id"), body["type"], body["seq"]) == ("exe_1:7", "workflow.notified", 7)
    assert body["data"] == data


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
        await world.is_tried(one)
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
        await dispatcher.drain(WAIT_S)
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


async def test_what_the_guard_refuses_is_counted_by_why_and_told_once_without_its_url(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry()
    monkeypatch.setattr("aragora.webhooks.dispatcher.REGISTRY", registry)
    with structlog.testing.capture_logs() as logged:
        async with served(world, answer()) as (dispatcher, _, one):
            inside = replace(one, endpoint_id="wh_000009", url="http://10.0.0.8/t0ken?key=s3cret", version=1)
            await world.endpoints.add(inside, limit=10)
            await dispatcher.fan_out([world.debates.ended() for _ in range(2)])
            for seq in (1, 2):
                await world.is_(inside, DeliveryStatus.DEAD_LETTERED, seq)
                await world.is_(one, DeliveryStatus.DELIVERED, seq)
            told = await dispatcher.test(inside.endpoint_id, "receipt")
            requests = sum(map(len, (await world.attempts_of(inside, 1, 2)).values()))
    assert (told.failure, told.refused_for) == ("blocked", Reason.PRIVATE)
    assert {(one.sample, one.labels, one.amount) for one in registry.drain()} == {(BLOCKED, BY_NETWORK, 1.0)}
    counted = {(row.sample, row.labels): row.amount for row in await world.counters.all()}
    assert counted[BLOCKED, BY_NETWORK] == requests > 2
    assert counted["aragora_webhook_lag_seconds_count", ()] == 4, "of two events to two endpoints"
    lines = [line for line in logged if line["event"] == "webhook blocked"]
    assert [(line["host"], line["why"], line["webhook_id"]) for line in lines] == [
        ("10.0.0.8", "private", "wh_000009")
    ] * 2, "one for all deliveries, and one for the test"
    assert "t0ken" not in str(logged)
    assert "s3cret" not in str(logged)


async def test_what_is_on_its_way_is_counted_until_it_is_answered(world: World) -> None:
    answered = asyncio.Event()

    async def slow(visit: Visit) -> None:
        await visit.request()
        await answered.wait()
        await visit.send(answer())

    async with listening(slow) as receiver:
        one = await world.registered(receiver)
        dispatcher = await world.dispatcher()
        assert dispatcher.in_flight == 0
        await dispatcher.fan_out([world.debates.ended()])
        await eventually(lambda: dispatcher.in_flight == 1)
        answered.set()
        await world.is_(one, DeliveryStatus.DELIVERED)
        await eventually(lambda: dispatcher.in_flight == 0, "its process hears of it after the store")


async def test_a_new_url_is_used_from_the_change_on(world: World) -> None:
    async with served(world, answer(500)) as (dispatcher, _, one), listening(answering(answer())) as moved:
        await world.endpoints.change(
            "local", one.endpoint_id, lambda it: replace(it, rules=replace(QUICK, base_s=3_600.0, max_s=3_600.0))
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
