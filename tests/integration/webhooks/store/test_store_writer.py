"""The delivery writer on both stores: what is new, what follows, what is stale, who is fenced, and outages."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import text
from worlds.backends import SetClock
from worlds.webhook_deliveries import WALL, answered, delivery, failed
from worlds.webhook_store import DELIVERED, attempted, dead, enqueued, event, many

from aragora.config.settings import Settings
from aragora.errors import Fenced, InvalidInput, NotFound, Unavailable
from aragora.observability.samples import CounterDelta
from aragora.storage.contexts import Context
from aragora.storage.counters import CounterStore
from aragora.storage.database import Database
from aragora.webhooks.machine import cancelled, revived
from aragora.webhooks.model import DeliveryStatus, Failure, TargetRow
from aragora.webhooks.store.deliveries import DeliveryStore
from aragora.webhooks.store.owners import Owners
from aragora.webhooks.store.units import CancelWaiting, Effect, Enqueue, KeepTarget, Moved, Revived, Tenure, Told
from aragora.webhooks.store.writer import DeliveryWriter

CANCELLED = CounterDelta("aragora_webhook_cancelled_total", (), 1.0)


async def test_a_delivery_is_kept_from_its_event_to_its_last_attempt(
    writer: DeliveryWriter, store: DeliveryStore
) -> None:
    made = delivery(1, direct='{"secret":{}}', holder="local/1")
    assert await writer.enqueue(enqueued(made)) == {made.delivery_id}
    retried = attempted(
        made,
        replace(answered(503, retry_after_s=9.0), text="busy \u2028 \U0001f600", address="192.0.2.1"),
        status=DeliveryStatus.RETRYING,
        ended_at=None,
        due_at=WALL + 9.5,
        throttled=1,
        last_error="the receiver answered 503",
        last_code=503,
        budget_at=WALL + 0.25,
        holder=None,
    )
    last = attempted(retried.after, failed(Failure.TLS), at=WALL + 10.0, status=DeliveryStatus.DEAD_LETTERED)
    assert await writer.attempted(retried) == Told(Effect.WRITTEN, DeliveryStatus.RETRYING)
    assert await writer.attempted(last) == Told(Effect.WRITTEN, DeliveryStatus.DEAD_LETTERED)
    account = await store.account("local", made.delivery_id)
    assert account.delivery == last.after
    assert account.event == event(1)
    assert account.attempts == (retried.attempt, last.attempt)


async def test_what_is_enqueued_again_is_not_new_and_stays_as_it_is(
    writer: DeliveryWriter, store: DeliveryStore
) -> None:
    first, second, third = many(1, 3)
    assert await writer.enqueue(enqueued(first, second)) == {first.delivery_id, second.delivery_id}
    await writer.attempted(attempted(first))
    again = enqueued(first, second, third, body="{}")
    told = await asyncio.gather(writer.enqueue(again), writer.enqueue(again))
    assert told == [{third.delivery_id}, frozenset()]
    assert (await store.get("local", first.delivery_id)).status is DeliveryStatus.DELIVERED
    assert (await store.events(["evt_1"]))["evt_1"] == event(1)


async def test_an_event_that_nobody_wants_is_not_kept(writer: DeliveryWriter, store: DeliveryStore) -> None:
    assert await writer.enqueue(Enqueue(event(1), ())) == frozenset()
    assert await store.events(["evt_1"]) == {}


async def test_a_result_that_comes_twice_counts_once(writer: DeliveryWriter, database: Database) -> None:
    made = delivery(1)
    await writer.enqueue(enqueued(made))
    unit = attempted(made)
    told = await asyncio.gather(writer.attempted(unit), writer.attempted(unit))
    told.append(await writer.attempted(unit))
    assert [one.effect for one in told] == [Effect.WRITTEN, Effect.KNOWN, Effect.KNOWN]
    assert await CounterStore(database).all() == [DELIVERED]
    assert len((await DeliveryStore(database).attempts([made.delivery_id]))[made.delivery_id]) == 1


async def test_attempts_have_no_gap_and_no_fork(writer: DeliveryWriter, store: DeliveryStore) -> None:
    made = delivery(1)
    await writer.enqueue(enqueued(made))
    gap = attempted(replace(made, attempts=1))
    assert await writer.attempted(gap) == Told(Effect.STALE, DeliveryStatus.PENDING)
    await writer.attempted(attempted(made, answered(500), status=DeliveryStatus.RETRYING, ended_at=None))
    fork = attempted(made, answered(500), status=DeliveryStatus.DEAD_LETTERED)
    assert await writer.attempted(fork) == Told(Effect.STALE, DeliveryStatus.RETRYING)
    assert [one.number for one in (await store.attempts([made.delivery_id]))[made.delivery_id]] == [1]


async def test_two_attempts_of_one_delivery_in_one_group_follow_each_other(
    writer: DeliveryWriter, store: DeliveryStore
) -> None:
    made = delivery(1)
    await writer.enqueue(enqueued(made))
    first = attempted(made, answered(500), status=DeliveryStatus.RETRYING, ended_at=None)
    second = attempted(first.after)
    told = await asyncio.gather(writer.attempted(first), writer.attempted(second))
    assert [one.effect for one in told] == [Effect.WRITTEN, Effect.WRITTEN]
    account = await store.account("local", made.delivery_id)
    assert (account.delivery, len(account.attempts)) == (second.after, 2)


async def test_a_delivery_that_was_cancelled_meanwhile_is_not_resurrected(
    writer: DeliveryWriter, database: Database
) -> None:
    made = delivery(1)
    await writer.enqueue(enqueued(made))
    stopped = cancelled(made, "by a person", WALL + 1.0)
    assert (await writer.moved(Moved(stopped, (CANCELLED,)))).effect is Effect.WRITTEN
    late = [
        await writer.attempted(attempted(made)),
        await writer.attempted(attempted(made, answered(500), status=DeliveryStatus.RETRYING, ended_at=None)),
        await writer.moved(Moved(replace(made, due_at=WALL + 60.0))),
    ]
    assert late == [Told(Effect.STALE, DeliveryStatus.CANCELLED)] * 3
    account = await DeliveryStore(database).account("local", made.delivery_id)
    assert (account.delivery, account.attempts) == (stopped, ())
    assert await CounterStore(database).all() == [CANCELLED]


async def test_a_dead_letter_is_revived_once_and_goes_on_counting(writer: DeliveryWriter, store: DeliveryStore) -> None:
    made = delivery(1)
    await writer.enqueue(enqueued(made))
    last = dead(made)
    await writer.attempted(last)
    fresh = revived(last.after, WALL + 50.0)
    told = await asyncio.gather(
        writer.revived(Revived(fresh)), writer.revived(Revived(revived(last.after, WALL + 51.0)))
    )
    assert [one.effect for one in told] == [Effect.WRITTEN, Effect.STALE]
    assert await store.get("local", made.delivery_id) == fresh
    assert (await writer.attempted(attempted(fresh, at=WALL + 60.0))).effect is Effect.WRITTEN
    assert [one.number for one in (await store.attempts([made.delivery_id]))[made.delivery_id]] == [1, 2]


async def test_what_is_not_there_is_stale(writer: DeliveryWriter) -> None:
    told = [await writer.attempted(attempted(delivery(9))), await writer.revived(Revived(delivery(9)))]
    assert told == [Told(Effect.STALE, None)] * 2


async def test_what_waits_for_a_target_is_cancelled_in_steps_and_nothing_else(
    writer: DeliveryWriter, database: Database
) -> None:
    mine, others = many(1, 5), many(11, 2, target_id="wh_2", webhook_id="wh_2")
    ended = attempted(mine[0])
    await writer.enqueue(enqueued(*mine))
    await writer.enqueue(enqueued(*others))
    await writer.attempted(ended)
    unit = CancelWaiting("wh_1", WALL + 5.0, limit=3, counters=(CANCELLED,))
    steps = [await writer.cancel_waiting(unit) for _ in range(3)]
    assert steps == [3, 1, 0]
    store = DeliveryStore(database)
    assert await store.get("local", mine[0].delivery_id) == ended.after
    stopped = await store.get("local", mine[4].delivery_id)
    assert stopped == cancelled(mine[4], "the endpoint was deleted", WALL + 5.0)
    assert await store.waiting_of("wh_2", 10) == list(others)
    assert replace(CANCELLED, amount=4.0) in await CounterStore(database).all()


async def test_an_attempt_that_ends_as_its_target_is_cancelled_is_stale(
    writer: DeliveryWriter, store: DeliveryStore
) -> None:
    made = delivery(1)
    await writer.enqueue(enqueued(made))
    told, count = await asyncio.gather(
        writer.attempted(attempted(made)), writer.cancel_waiting(CancelWaiting("wh_1", WALL))
    )
    assert (told.effect, count) == (Effect.STALE, 1)
    assert await store.attempts([made.delivery_id]) == {}


async def test_the_state_of_a_target_is_kept_with_the_attempt_that_changed_it(
    writer: DeliveryWriter, store: DeliveryStore
) -> None:
    made = delivery(1)
    await writer.enqueue(enqueued(made))
    opened = TargetRow("wh_1", "open", 5, WALL, WALL + 60.0, "timeout", None, WALL, 3, old_secret_first=True)
    await writer.attempted(replace(dead(made), target=opened))
    await writer.attempted(replace(dead(made, at=WALL + 9.0), target=replace(opened, failures=99)))  # stale
    await writer.keep(KeepTarget(TargetRow("wh_2")))
    assert await store.targets(["wh_1", "wh_2", "wh_3"]) == {"wh_1": opened, "wh_2": TargetRow("wh_2")}
    assert await store.refusing(10) == {"wh_1": opened}
    await writer.keep(KeepTarget(TargetRow("wh_1")))
    assert await store.refusing(10) == {}


# --- Fences ------------------------------------------------------------------------------------------------


async def test_what_a_former_owner_writes_is_fenced_alone(
    writer: DeliveryWriter, database: Database, clock: SetClock
) -> None:
    owners = Owners(database, clock)
    old = Tenure("shard/0", await owners.advance("shard/0", "a"))
    others = Tenure("shard/1", await owners.advance("shard/1", "b"))
    one, two = delivery(1), delivery(2, target_id="wh_2")
    await asyncio.gather(writer.enqueue(enqueued(one, tenure=old)), writer.enqueue(enqueued(two, tenure=others)))
    new = Tenure("shard/0", await owners.advance("shard/0", "c"))
    told = await asyncio.gather(
        writer.attempted(attempted(one, tenure=old)),
        writer.attempted(attempted(two, tenure=others)),
        writer.enqueue(enqueued(delivery(3), tenure=old)),
        writer.cancel_waiting(CancelWaiting("wh_1", WALL, tenure=old)),
        writer.keep(KeepTarget(TargetRow("wh_1"), old)),
        writer.enqueue(enqueued(delivery(4), tenure=Tenure("never taken", 1))),
        return_exceptions=True,
    )
    assert [type(each) for each in told] == [Fenced, Told, Fenced, Fenced, Fenced, Fenced]
    store = DeliveryStore(database)
    assert await store.get("local", one.delivery_id) == one
    assert (await store.get("local", two.delivery_id)).status is DeliveryStatus.DELIVERED
    assert await store.events(["evt_3", "evt_4"]) == {}
    assert await store.targets(["wh_1"]) == {}
    assert await CounterStore(database).all() == [DELIVERED]
    assert (await writer.attempted(attempted(one, tenure=new))).effect is Effect.WRITTEN


# --- Several writers, bad units, outages ----------------------------------------------------------------------


async def test_several_writers_on_one_store_wait_for_each_other_and_nobody_hears_of_a_lock(
    opened: Callable[[], Database],
) -> None:
    writers = [DeliveryWriter(opened()) for _ in range(3)]
    made = [many(100 * number, 40) for number in range(1, 7)]
    new = await asyncio.gather(
        *(writers[place % 3].enqueue(enqueued(*some)) for place, some in enumerate([*made, *made]))
    )
    assert sum(map(len, new)) == 240
    results = [attempted(one) for some in made for one in some]
    told = await asyncio.gather(
        *(writers[place % 3].attempted(unit) for place, unit in enumerate([*results, *results]))
    )
    assert sorted(each.effect for each in told) == [Effect.KNOWN] * 240 + [Effect.WRITTEN] * 240
    assert await CounterStore(opened()).all() == [replace(DELIVERED, amount=240.0)]
    for writer in writers:
        await writer.aclose()


@pytest.mark.parametrize(
    ("unit", "told"),
    [
        (enqueued(delivery(1, event_type="a\0b")), "control character"),
        (enqueued(delivery(1, webhook_id="\ud800")), "control character"),
        (enqueued(delivery(1, due_at=float("nan"))), "not finite"),
        (enqueued(delivery(1, attempts=2**31)), "too large"),
        (enqueued(delivery(1, ended_at=WALL)), "ended_at"),
        (enqueued(delivery(1, status=DeliveryStatus.DELIVERED, ended_at=WALL)), "make it wait"),
        (replace(enqueued(delivery(1)), event=event(2)), "not of the event"),
        (enqueued(delivery(1), body="a\0"), "control character"),
    ],
)
async def test_a_unit_that_no_store_can_keep_is_refused_and_leaves_nothing(
    writer: DeliveryWriter, store: DeliveryStore, unit: Enqueue, told: str
) -> None:
    results = await asyncio.gather(writer.enqueue(unit), writer.enqueue(enqueued(delivery(5))), return_exceptions=True)
    assert isinstance(results[0], InvalidInput)
    assert told in results[0].message
    assert results[1] == {delivery(5).delivery_id}
    assert await store.events([unit.event.event_id]) == {}


async def test_a_wrong_result_is_refused(writer: DeliveryWriter) -> None:
    made = delivery(1)
    await writer.enqueue(enqueued(made))
    unit = attempted(made)
    wrong = [
        replace(unit, after=replace(unit.after, ended_at=None)),
        replace(unit, attempt=replace(unit.attempt, number=2)),
        replace(unit, attempt=replace(unit.attempt, answer=replace(unit.attempt.answer, text="\0"))),
        replace(unit, target=TargetRow("another")),
        replace(unit, counters=(replace(DELIVERED, amount=-1.0),)),
    ]
    for each in wrong:
        with pytest.raises(InvalidInput):
            await writer.attempted(each)
    with pytest.raises(InvalidInput):
        await writer.revived(Revived(unit.after))
    assert (await writer.attempted(unit)).effect is Effect.WRITTEN


async def test_after_closing_nothing_is_taken(database: Database) -> None:
    writer = DeliveryWriter(database)
    await writer.enqueue(enqueued(delivery(1)))
    await writer.aclose()
    with pytest.raises(Unavailable):
        await writer.enqueue(enqueued(delivery(2)))


async def test_a_queue_that_is_full_refuses_more(database: Database) -> None:
    writer = DeliveryWriter(database, max_pending=3)
    first = asyncio.create_task(writer.enqueue(enqueued(*many(1, 5))))
    told = await asyncio.gather(
        first, *(writer.enqueue(enqueued(delivery(number))) for number in range(10, 14)), return_exceptions=True
    )
    assert sum(isinstance(each, Unavailable) for each in told) == 4
    assert len(told[0]) == 5  # type: ignore[arg-type]
    await writer.aclose()


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
async def test_a_lock_that_is_not_given_back_is_unavailable_and_the_writer_recovers(settings: Settings) -> None:
    database = Database.open(settings.model_copy(update={"db_pool_timeout": 0.1}), Context.WEBHOOKS)
    writer = DeliveryWriter(database)
    with closing(sqlite3.connect(settings.data_dir / "webhooks.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        told = await asyncio.gather(
            *(writer.enqueue(enqueued(delivery(number))) for number in (1, 2)), return_exceptions=True
        )
        other.execute("ROLLBACK")
    assert [type(each) for each in told] == [Unavailable, Unavailable]
    assert await DeliveryStore(database).due(WALL, 10) == []
    assert await writer.enqueue(enqueued(delivery(1))) == {delivery(1).delivery_id}
    await writer.aclose()
    await database.aclose()


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
async def test_a_full_disk_writes_nothing_by_half(
    settings: Settings, writer: DeliveryWriter, store: DeliveryStore
) -> None:
    await writer.enqueue(enqueued(delivery(1)))
    large = [enqueued(delivery(number), body="x" * 400_000) for number in range(2, 6)]
    largest = max(file.stat().st_size for file in settings.data_dir.iterdir())
    with _files_at_most(largest + 100_000):
        told = await asyncio.gather(
            *map(writer.enqueue, large), writer.attempted(attempted(delivery(1))), return_exceptions=True
        )
    assert {type(each) for each in told} == {Unavailable}
    assert await store.due(WALL, 10) == [delivery(1)]
    assert await store.events([f"evt_{number}" for number in range(2, 6)]) == {}
    assert len([await writer.enqueue(unit) for unit in large]) == 4
    assert (await writer.attempted(attempted(delivery(1)))).effect is Effect.WRITTEN
    with closing(sqlite3.connect(settings.data_dir / "webhooks.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.slow
@pytest.mark.parametrize("settings", ["postgres"], indirect=True)
async def test_a_connection_that_is_lost_between_two_groups_is_made_anew(
    writer: DeliveryWriter, database: Database
) -> None:
    await writer.enqueue(enqueued(delivery(1)))
    async with database.writing() as connection:
        cut = "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE application_name = 'aragora-deliveries'"
        assert (await connection.execute(text(cut))).scalars().all() == [True]
    told = [await _or_unavailable(writer, number) for number in (2, 3)]
    assert told[1] == {delivery(3).delivery_id}


async def test_the_delivery_of_another_organisation_is_not_found(writer: DeliveryWriter, store: DeliveryStore) -> None:
    await writer.enqueue(enqueued(delivery(1)))
    with pytest.raises(NotFound) as foreign:
        await store.get("others", delivery(1).delivery_id)
    with pytest.raises(NotFound) as unknown:
        await store.get("local", delivery(2).delivery_id)
    texts = [error.value.message.replace(delivery(n).delivery_id, "X") for error, n in ((foreign, 1), (unknown, 2))]
    assert texts[0] == texts[1]


async def _or_unavailable(writer: DeliveryWriter, number: int) -> object:
    try:
        return await writer.enqueue(enqueued(delivery(number)))
    except Unavailable as away:
        return away


@contextmanager
def _files_at_most(size_bytes: int) -> Iterator[None]:
    """No file of this process grows beyond the size meanwhile: what a full disk does to SQLite's writes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
