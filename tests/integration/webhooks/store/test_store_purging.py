"""Purging on both stores: in steps, counted, and never what still waits or is too young."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import asyncpg
import pytest
from sqlalchemy import text
from worlds.backends import SetClock
from worlds.waiting import eventually
from worlds.webhook_deliveries import WALL, answered, delivery
from worlds.webhook_store import attempted, dead, enqueued, event, many

from aragora.observability.samples import CounterDelta
from aragora.storage.counters import CounterStore
from aragora.storage.database import Database
from aragora.storage.postgres_transactions import columns_of
from aragora.storage.small_steps import LEAST_PAUSE_S
from aragora.webhooks.machine import cancelled
from aragora.webhooks.model import DeliveryStatus
from aragora.webhooks.store import purging, writer_postgres
from aragora.webhooks.store.deliveries import DeliveryStore, Wanted
from aragora.webhooks.store.purging import DeliveryPurge, Purged
from aragora.webhooks.store.rows import values_of_delivery, values_of_event
from aragora.webhooks.store.units import Moved
from aragora.webhooks.store.writer import DeliveryWriter

TABLES = ("webhook_deliveries", "webhook_attempts", "webhook_events")


def counting(what: Purged, number: int) -> tuple[CounterDelta]:
    return (CounterDelta("purged", (("what", what.value),), float(number)),)


@pytest.fixture
def purge(database: Database) -> DeliveryPurge:
    return DeliveryPurge(database, counting)


async def test_what_arrived_or_was_cancelled_long_ago_goes_with_its_attempts_and_event(
    writer: DeliveryWriter, store: DeliveryStore, purge: DeliveryPurge, database: Database
) -> None:
    old, young, waits, letter, stopped = (delivery(number) for number in range(1, 6))
    await asyncio.gather(*(writer.enqueue(enqueued(one)) for one in (old, young, waits, letter, stopped)))
    await writer.attempted(attempted(old, at=WALL))
    await writer.attempted(attempted(young, at=WALL + 60.0))
    await writer.attempted(dead(letter, at=WALL))
    await writer.moved(Moved(cancelled(stopped, "by a person", WALL)))
    steps = [await purge.ended(WALL + 10.0) for _ in range(3)]
    assert steps == [1, 1, 0]
    left = [one.delivery_id for one in (await store.page("local", "wh_1", Wanted())).items]
    assert left == [one.delivery_id for one in (letter, waits, young)]
    assert sorted(await store.events([f"evt_{number}" for number in range(1, 6)])) == ["evt_2", "evt_3", "evt_4"]
    assert await _rows(database) == (3, 2, 3)
    assert await purge.dead_letters(WALL + 10.0) == 1
    assert await _rows(database) == (2, 1, 2)
    assert await _purged(database) == {"delivery": 2.0, "dead_letter": 1.0, "event": 3.0}


async def test_an_event_stays_while_one_of_its_deliveries_does(
    writer: DeliveryWriter, store: DeliveryStore, purge: DeliveryPurge
) -> None:
    first, second = many(1, 2)
    await writer.enqueue(enqueued(first, second))
    await writer.attempted(attempted(first, at=WALL))
    assert await purge.ended(WALL + 10.0) == 1
    assert await store.events(["evt_1"]) == {"evt_1": event(1)}
    await writer.attempted(attempted(second, at=WALL))
    assert await purge.ended(WALL + 10.0) == 1
    assert await store.events(["evt_1"]) == {}


async def test_a_step_is_bounded(
    writer: DeliveryWriter, purge: DeliveryPurge, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = many(1, purging.STEP + 7)
    await writer.enqueue(enqueued(*made))
    await asyncio.gather(*(writer.attempted(dead(one, at=WALL)) for one in made))
    steps = [await purge.texts(WALL + 10.0), await purge.texts(WALL + 10.0), await purge.texts(WALL + 10.0)]
    assert steps == [purging.STEP, 7, 0]
    assert [await purge.dead_letters(WALL + 10.0) for _ in range(3)] == [purging.STEP, 7, 0]
    assert await _rows(database) == (0, 0, 0)
    assert await _purged(database) == {
        "text": float(len(made)),
        "dead_letter": float(len(made)),
        "event": 1.0,
    }


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
async def test_after_each_step_the_lock_is_left_alone_for_as_long_as_the_step_took(
    writer: DeliveryWriter, database: Database
) -> None:
    clock, pauses = SetClock(), list[float]()

    async def sleep(for_s: float) -> None:
        pauses.append(for_s)
        assert (await writer.enqueue(enqueued(delivery(100 + len(pauses))))) != frozenset()  # the lock is free

    def slow(_what: Purged, _number: int) -> tuple[CounterDelta, ...]:
        clock.at += 0.25
        return ()

    purge = DeliveryPurge(database, slow, clock, sleep)
    await writer.enqueue(enqueued(delivery(1)))
    await writer.attempted(dead(delivery(1), at=WALL))
    assert [await purge.texts(WALL + 10.0), await purge.texts(WALL + 10.0)] == [1, 0]
    assert pauses == [0.25, LEAST_PAUSE_S]


async def test_answer_texts_go_and_their_attempts_stay(
    writer: DeliveryWriter, store: DeliveryStore, purge: DeliveryPurge
) -> None:
    made = delivery(1)
    await writer.enqueue(enqueued(made))
    first = attempted(made, answered(500), at=WALL, status=DeliveryStatus.RETRYING, ended_at=None)
    texts = [dead(first.after, at=WALL + 60.0, text="young")]
    await writer.attempted(first)
    await writer.attempted(texts[0])
    assert await purge.texts(WALL + 60.0) == 0
    assert await purge.texts(WALL + 61.0) == 1
    kept = (await store.attempts([made.delivery_id]))[made.delivery_id]
    assert [(one.number, one.answer.text, one.answer.told) for one in kept] == [
        (1, "", "the receiver answered 500"),
        (2, "", "the receiver answered 500"),
    ]


async def test_dead_letters_over_their_number_go_oldest_first(
    writer: DeliveryWriter, store: DeliveryStore, purge: DeliveryPurge
) -> None:
    mine, others = many(1, 5), many(11, 2, org_id="other")
    for some in (mine, others):
        await writer.enqueue(enqueued(*some))
        for place, one in enumerate(some):
            await writer.attempted(dead(one, at=WALL + place))
    assert await purge.orgs_over(2) == ["local"]
    assert await purge.surplus("local", 2) == 3
    assert await purge.surplus("local", 2) == 0
    left = (await store.dead_letters("local", Wanted())).items
    assert [one.delivery_id for one in left] == [mine[4].delivery_id, mine[3].delivery_id]
    assert await purge.orgs_over(2) == []
    assert len((await store.dead_letters("other", Wanted())).items) == 2


async def test_one_dead_letter_goes_if_it_is_ones_own(writer: DeliveryWriter, purge: DeliveryPurge) -> None:
    letter, waits = delivery(1), delivery(2)
    await writer.enqueue(enqueued(letter))
    await writer.enqueue(enqueued(waits))
    await writer.attempted(dead(letter))
    assert not await purge.dead_letter("other", letter.delivery_id)
    assert not await purge.dead_letter("local", waits.delivery_id)
    assert await purge.dead_letter("local", letter.delivery_id)
    assert not await purge.dead_letter("local", letter.delivery_id)


async def test_events_that_no_delivery_was_ever_made_of_go_by_age(
    writer: DeliveryWriter, store: DeliveryStore, purge: DeliveryPurge, database: Database
) -> None:
    await writer.enqueue(enqueued(delivery(1)))
    insert = (
        "INSERT INTO webhook_events SELECT 'evt_' || {0}, org_id, type, body, {0}.0, NULL, NULL FROM webhook_events"
    )
    async with database.writing() as connection:
        for number in (20, 30):
            await connection.execute(text(insert.format(number) + " WHERE event_id = 'evt_1'"))
    assert await purge.events(25.0) == 1
    assert await purge.events(WALL + 10.0) == 1
    assert await purge.events(WALL + 10.0) == 0
    assert list(await store.events(["evt_1", "evt_20", "evt_30"])) == ["evt_1"]


async def test_an_event_that_gets_a_delivery_while_it_is_purged_is_kept_with_it(
    opened: Callable[[], Database], writer: DeliveryWriter, store: DeliveryStore
) -> None:
    purge = DeliveryPurge(opened(), counting)
    for number in range(1, 40):
        first, second = many(2 * number - 1, 2)
        await writer.enqueue(enqueued(first))
        await writer.attempted(attempted(first, at=WALL))
        await asyncio.gather(purge.ended(WALL + 10.0), writer.enqueue(enqueued(second, first)))
        assert first.event_id in await store.events([first.event_id])


@pytest.mark.slow
@pytest.mark.parametrize("settings", ["postgres"], indirect=True)
async def test_an_event_is_kept_for_a_delivery_that_is_not_committed_yet(
    writer: DeliveryWriter, store: DeliveryStore, purge: DeliveryPurge, database: Database
) -> None:
    first, second = many(1, 2)
    await writer.enqueue(enqueued(first))
    await writer.attempted(attempted(first, at=WALL))
    enqueuing = await asyncpg.connect(database.location.dsn)
    try:
        async with enqueuing.transaction():
            await enqueuing.execute(writer_postgres.EVENTS, *columns_of([values_of_event(event(1))]))
            await enqueuing.fetch(writer_postgres.DELIVERIES, *columns_of([values_of_delivery(second)]))
            task = asyncio.create_task(purge.ended(WALL + 10.0))
            await eventually(lambda: _waits_or_is_done(database, task))
    finally:
        await enqueuing.close()
    assert await task == 1
    assert await store.events(["evt_1"]) == {"evt_1": event(1)}


async def _waits_or_is_done(database: Database, task: asyncio.Task[int]) -> bool:
    async with database.reading() as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        return task.done() or (await connection.execute(text(query))).scalar_one() == 1


async def _rows(database: Database) -> tuple[int, ...]:
    async with database.reading() as connection:
        return tuple([(await connection.execute(text(f"SELECT count(*) FROM {name}"))).scalar_one() for name in TABLES])


async def _purged(database: Database) -> dict[str, float]:
    return {
        dict(one.labels)["what"]: one.amount for one in await CounterStore(database).all() if one.sample == "purged"
    }
