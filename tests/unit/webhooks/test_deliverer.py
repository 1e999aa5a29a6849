"""From the queue to the receiver to the store, and what happens when one of them fails."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import structlog
from worlds.logical_time import LoopClock, in_logical_time
from worlds.memory_deliveries import FixedDestinations, Follower, MemoryDeliveries, ScriptedReceiver, in_turn
from worlds.waiting import eventually
from worlds.webhook_deliveries import answered, delivery

from aragora.clock import SystemClock
from aragora.errors import Fenced, NotFound, Unavailable
from aragora.secrets.encryption import KeyNotFound
from aragora.webhooks.deliverer import NOT_READ_S, UNREADABLE_S, Deliverer
from aragora.webhooks.endpoint import PayloadKind
from aragora.webhooks.kept import target_of
from aragora.webhooks.machine import Target
from aragora.webhooks.model import Answer, Delivery, DeliveryStatus, Request, Rules, TargetStatus
from aragora.webhooks.queues import Queues
from aragora.webhooks.store.units import Attempted, Tenure

TENURE = Tenure("shard/0", 1)


@dataclass
class Scene:
    """A deliverer with everything around it."""

    queues: Queues
    store: MemoryDeliveries
    receiver: ScriptedReceiver
    destinations: FixedDestinations
    follower: Follower
    deliverer: Deliverer

    def status(self, number: int = 1) -> DeliveryStatus:
        return self.store.deliveries[delivery(number).delivery_id].status

    async def until(self, holds: Callable[[], Any], within_s: float = 1_000_000.0) -> None:
        """Logical seconds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        while not holds():
            assert loop.time() < deadline, "not within the time"
            await asyncio.sleep(0.05)


def scene(
    *deliveries: Delivery,
    answer: Callable[[Request], Answer] | None = None,
    rules: Rules | None = None,
    takes_s: float = 0.0,
    slots: int = 100,
) -> Scene:
    """Deliveries that were stored a moment ago, and a receiver."""
    rules = rules or Rules(give_up_s=10**9)
    wall = SystemClock().now()
    fresh = [replace(one, created_at=wall, due_at=wall, budget_at=wall) for one in deliveries or (delivery(),)]
    queues, store, follower = Queues(slots=slots), MemoryDeliveries(), Follower()
    store.add(*fresh)
    receiver, destinations = ScriptedReceiver(answer or in_turn([answered(200)]), takes_s), FixedDestinations()
    destinations.destination = replace(destinations.destination, rules=rules)
    deliverer = Deliverer(
        queues,
        destinations=destinations,
        events=store,
        sender=receiver,
        writer=store,
        follower=follower,
        clock=LoopClock(),
        tenure=TENURE,
        hungry=lambda: None,
        draw=lambda: 0.0,
    )
    for one in fresh:
        if one.target_id not in queues:
            queues.open(one.target_id, one.org_id, rules, Target())
        queues.push(one, 0.0, 0.0)
    deliverer.start()
    return Scene(queues, store, receiver, destinations, follower, deliverer)


@in_logical_time
async def test_a_delivery_arrives_signed_and_its_attempt_is_stored_with_its_counters() -> None:
    it = scene()
    await it.until(lambda: it.follower.outcomes)

    (request,), (unit,) = it.receiver.requests, it.store.written
    one = delivery()
    assert request.body == f'{{"delivery_id": "{one.delivery_id}", "type": "debate_end"}}'.encode()
    expected = hmac.new(b"a secret of some length", request.body, hashlib.sha256).hexdigest()
    assert request.headers["X-Webhook-Signature"] == f"sha256={expected}"
    assert request.headers["webhook-id"] == one.event_id
    assert isinstance(unit, Attempted)
    assert (unit.after.status, unit.attempt.number, unit.tenure) == (DeliveryStatus.DELIVERED, 1, TENURE)
    assert ("aragora_webhook_deliveries_total", (("event_type", "debate_end"), ("status", "delivered"))) in {
        (delta.sample, delta.labels) for delta in unit.counters
    }
    assert len(it.queues) == 0


@in_logical_time
async def test_what_fails_is_tried_again_by_the_schedule_until_it_is_a_dead_letter() -> None:
    it = scene(answer=in_turn([answered(500)]), rules=Rules(failure_threshold=100))
    await it.until(lambda: it.status() is DeliveryStatus.DEAD_LETTERED)

    gaps = [round(then - before) for before, then in pairwise(it.receiver.at_s)]
    assert gaps == [1, 2, 4, 8, 16]
    assert [request.headers["X-Webhook-Attempt"] for request in it.receiver.requests] == list("123456")


@in_logical_time
async def test_a_target_that_fails_is_left_alone_and_its_state_is_stored_with_the_attempt() -> None:
    it = scene(*map(delivery, range(1, 8)), answer=in_turn([answered(500)]))
    await it.until(lambda: len(it.receiver.requests) >= 5)
    await asyncio.sleep(30.0)

    sent = [at for at in it.receiver.at_s if at < 59.0]
    assert len(sent) <= 8, "those on their way when it opened, and no more"
    rows = [unit.target for unit in it.store.written if isinstance(unit, Attempted) and unit.target is not None]
    assert rows[-1].breaker == "open"
    taken_up = target_of(rows[-1], Rules(), 0.0, SystemClock().now())
    assert taken_up.breaker.retry_at is not None


@in_logical_time
async def test_a_store_that_is_away_loses_no_outcome_and_stops_the_sending() -> None:
    still_away: list[bool] = []

    def answer(_request: Request) -> Answer:
        still_away.append(bool(it.store.fails))
        return answered(200)

    it = scene(*map(delivery, range(1, 11)), slots=2, answer=answer)
    it.store.fails = [Unavailable("The database is away.")] * 6
    await it.until(lambda: not len(it.queues))

    assert sum(still_away) == 2, "no more than the slots while no outcome could be stored"
    assert len(it.receiver.requests) == 10, "each was sent once"
    assert all(it.status(number) is DeliveryStatus.DELIVERED for number in range(1, 11))


@in_logical_time
async def test_a_zombie_stores_nothing_and_sends_nothing_more() -> None:
    it = scene(*map(delivery, range(1, 11)), slots=1)
    it.store.fails = [Fenced("Another owner has the shard.")]
    await it.until(lambda: it.follower.ends)
    await asyncio.sleep(100.0)

    assert len(it.receiver.requests) == 1
    assert it.store.written == []


@in_logical_time
async def test_a_delivery_that_was_cancelled_meanwhile_stays_cancelled() -> None:
    it = scene(takes_s=5.0, answer=in_turn([answered(500)]))
    await it.until(lambda: it.receiver.requests)
    one = it.store.deliveries[delivery().delivery_id]
    it.store.deliveries[one.delivery_id] = replace(one, status=DeliveryStatus.CANCELLED)
    await it.until(lambda: not len(it.queues))

    assert it.status() is DeliveryStatus.CANCELLED
    assert it.follower.outcomes == []


@in_logical_time
async def test_what_waits_for_a_deleted_endpoint_or_has_lost_its_event_is_cancelled() -> None:
    for make in ("target", "event"):
        it = scene(takes_s=1.0)
        if make == "target":
            it.destinations.fails = NotFound("There is no such webhook.")
        else:
            it.store.events_by_id.clear()
        await it.until(lambda: it.follower.moves)  # noqa: B023  awaited here
        assert it.status() is DeliveryStatus.CANCELLED
        assert it.receiver.requests == []
        assert len(it.queues) == 0


@in_logical_time
async def test_a_delivery_whose_time_is_over_is_a_dead_letter_without_a_request() -> None:
    it = scene(rules=Rules(give_up_s=-1.0))
    await it.until(lambda: it.follower.moves)

    assert it.status() is DeliveryStatus.DEAD_LETTERED
    assert it.receiver.requests == []


@in_logical_time
async def test_nothing_is_sent_to_a_paused_target_and_its_deliveries_stay_in_the_store() -> None:
    it = scene(*map(delivery, range(1, 4)))
    it.destinations.destination = replace(it.destinations.destination, status=TargetStatus.PAUSED)
    await it.until(lambda: it.follower.targets_held)

    assert it.receiver.requests == []
    assert len(it.queues) == 0
    assert it.status() is DeliveryStatus.PENDING


@in_logical_time
async def test_a_receiver_that_is_gone_ends_its_target() -> None:
    it = scene(*map(delivery, range(1, 4)), answer=in_turn([answered(410)]), slots=1)
    await it.until(lambda: it.follower.targets_held)
    await asyncio.sleep(1000.0)

    assert len(it.receiver.requests) == 1


@in_logical_time
async def test_a_key_that_is_missing_or_a_store_that_cannot_be_read_costs_no_attempt() -> None:
    for error, pause in ((KeyNotFound("key 1 is missing"), UNREADABLE_S), (Unavailable("away"), NOT_READ_S)):
        it = scene()
        it.destinations.fails = error
        await asyncio.sleep(1.0)
        it.destinations.fails = None
        await it.until(lambda: it.follower.outcomes, pause + 1.0)  # noqa: B023  awaited here
        assert it.follower.outcomes[0].delivery.attempts == 1


@in_logical_time
async def test_the_old_secret_is_tried_at_once_where_the_new_one_is_refused_and_goes_first_from_then_on() -> None:
    def knows_the_old_one(request: Request) -> Answer:
        expected = "sha256=" + hmac.new(b"the old one", request.body, hashlib.sha256).hexdigest()
        return answered(200 if request.headers["X-Webhook-Signature"] == expected else 401)

    it = scene(*map(delivery, range(1, 4)), answer=knows_the_old_one, rules=Rules(max_in_flight=1))
    it.destinations.destination = replace(it.destinations.destination, secrets=("the new one", "the old one"))
    await it.until(lambda: not len(it.queues))

    assert len(it.receiver.requests) == 4
    assert it.receiver.at_s[1] == it.receiver.at_s[0]
    assert all(it.status(number) is DeliveryStatus.DELIVERED for number in (1, 2, 3))


@in_logical_time
async def test_many_that_are_refused_at_once_with_the_new_secret_are_all_tried_with_the_old_one() -> None:
    def knows_the_old_one(request: Request) -> Answer:
        expected = "sha256=" + hmac.new(b"the old one", request.body, hashlib.sha256).hexdigest()
        return answered(200 if request.headers["X-Webhook-Signature"] == expected else 401)

    it = scene(
        *map(delivery, range(1, 5)), answer=knows_the_old_one, rules=Rules(max_retries=0, give_up_s=10**9), takes_s=1.0
    )
    it.destinations.destination = replace(it.destinations.destination, secrets=("the new one", "the old one"))
    await it.until(lambda: not len(it.queues))

    assert it.receiver.most_at_once == 4
    assert len(it.receiver.requests) == 8
    assert all(it.status(number) is DeliveryStatus.DELIVERED for number in range(1, 5))


@in_logical_time
async def test_a_thin_destination_gets_no_data() -> None:
    it = scene()
    one = next(iter(it.store.events_by_id.values()))
    full = '{"type": "debate_end", "timestamp": "2026-03-01T12:00:00.000Z", "seq": 9, "data": {"debate_id": "deb_1", "x": 1}, "version": 1}'
    it.store.events_by_id[one.event_id] = replace(one, body=full)
    it.destinations.destination = replace(it.destinations.destination, payload=PayloadKind.THIN)
    await it.until(lambda: it.receiver.requests)

    assert b'"x"' not in it.receiver.requests[0].body
    assert b'"debate_id": "deb_1"' in it.receiver.requests[0].body


@in_logical_time
async def test_a_drain_lets_requests_end_and_takes_up_nothing_more() -> None:
    it = scene(*map(delivery, range(1, 11)), slots=3, takes_s=5.0)
    await it.until(lambda: it.receiver.at_once == 3)

    assert await it.deliverer.drain(30.0) == 0
    assert len(it.receiver.requests) == 3
    assert sum(one.status is DeliveryStatus.DELIVERED for one in it.store.deliveries.values()) == 3


@in_logical_time
async def test_a_drain_cuts_off_what_does_not_end_and_says_how_much() -> None:
    it = scene(*map(delivery, range(1, 11)), slots=3, takes_s=10_000.0)
    await it.until(lambda: it.receiver.at_once == 3)

    assert await it.deliverer.drain(30.0) == 3
    assert all(one.status is DeliveryStatus.PENDING for one in it.store.deliveries.values())


@in_logical_time
async def test_a_defect_of_one_delivery_stops_no_other() -> None:
    def broken(request: Request) -> Answer:
        if request.headers["X-Webhook-Delivery-Id"] == delivery(1).delivery_id:
            raise RuntimeError("a defect")
        return answered(200)

    it = scene(*map(delivery, range(1, 4)), answer=broken, rules=Rules(max_in_flight=1, give_up_s=10**9))
    await it.until(lambda: len(it.follower.outcomes) == 2)
    assert it.queues.in_flight == 0


@in_logical_time
async def test_the_first_request_tells_how_long_its_event_has_waited_and_no_other_does() -> None:
    it = scene(answer=in_turn([answered(500), answered(200)]))
    event = next(iter(it.store.events_by_id.values()))
    it.store.events_by_id[event.event_id] = replace(event, created_at=event.created_at - 3.0)
    await it.until(lambda: it.status() is DeliveryStatus.DELIVERED)
    lags = [
        delta.amount
        for unit in it.store.written
        for delta in unit.counters
        if delta.sample == "aragora_webhook_lag_seconds_sum"
    ]
    assert [round(lag) for lag in lags] == [3]


async def test_what_waited_for_its_receiver_tells_no_lag() -> None:
    """In real time: the wall clock and the monotonic one are compared."""
    it = scene(*map(delivery, range(1, 5)), rules=Rules(max_in_flight=2), takes_s=0.1)
    await eventually(lambda: len(it.follower.outcomes) == 4)
    counted = [{delta.sample for delta in unit.counters} for unit in it.store.written]
    assert ["aragora_webhook_lag_seconds_count" in samples for samples in counted] == [True, True, False, False]


@in_logical_time
async def test_a_receiver_that_fails_ten_thousand_times_is_told_in_a_few_lines() -> None:
    with structlog.testing.capture_logs() as logged:
        it = scene(
            *map(delivery, range(1, 900)),
            answer=in_turn([answered(500)]),
            rules=Rules(max_retries=11, max_s=1.0, failure_threshold=5, open_s=0.01, give_up_s=10**9),
        )
        await it.until(lambda: len(it.receiver.requests) >= 10_000)
    events = [line for line in logged if line["log_level"] == "warning"]
    hours = 1 + int((it.receiver.at_s[-1] - it.receiver.at_s[0]) / 3_600)
    assert 1 <= len(events) <= 2 * hours
    assert all({"delivery_id", "webhook_id", "org_id"} <= line.keys() for line in events)
    assert "receiver.example.com" not in str(logged)


@in_logical_time
async def test_a_store_that_is_away_is_told_in_a_few_lines_however_much_is_on_its_way() -> None:
    with structlog.testing.capture_logs() as logged:
        it = scene(*map(delivery, range(1, 101)), rules=Rules(max_in_flight=100))
        it.store.fails = [Unavailable("the disk is full") for _ in range(500)]
        await it.until(lambda: len(it.follower.outcomes) == 100)
    told = [line for line in logged if line["log_level"] == "warning"]
    assert 1 <= len(told) <= 10
    assert all({"delivery_id", "webhook_id", "org_id"} <= line.keys() for line in told)
