"""Reading deliveries on both stores: what is due, lists in pages, dead letters, figures."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from worlds.webhook_deliveries import WALL, answered, delivery, failed
from worlds.webhook_store import attempted, dead, enqueued, many

from aragora.errors import InvalidInput
from aragora.storage.cursors import Page
from aragora.webhooks.model import Delivery, DeliveryStatus, Failure
from aragora.webhooks.store.deliveries import After, DeliveryStore, Stats, Wanted
from aragora.webhooks.store.writer import DeliveryWriter

ALL = Wanted()


async def test_what_waits_comes_in_due_order_whatever_its_target(writer: DeliveryWriter, store: DeliveryStore) -> None:
    late, soon, same, ended = (
        delivery(1, due_at=WALL + 9.0, status=DeliveryStatus.RETRYING),
        delivery(2, target_id="wh_2", due_at=WALL + 1.0),
        delivery(3, due_at=WALL + 1.0),
        delivery(4, due_at=WALL),
    )
    await _put(writer, late, soon, same, ended)
    await writer.attempted(attempted(ended))
    assert await store.due(WALL + 100.0, 10) == [soon, same, late]
    assert await store.due(WALL + 1.0, 10) == [soon, same]
    assert await store.due(WALL + 0.5, 10) == []
    assert await store.due(WALL + 100.0, 1) == [soon]
    behind = After(soon.due_at, soon.delivery_id)
    assert await store.due(WALL + 100.0, 10, after=behind) == [same, late]
    assert await store.waiting_of("wh_1", 10) == [same, late]
    assert await store.waiting_of("wh_1", 10, after=After(same.due_at, same.delivery_id)) == [late]
    assert await store.oldest_due() == WALL + 1.0
    assert await store.oldest_due("wh_1") == WALL + 1.0
    assert await store.oldest_due("wh_3") is None


async def test_deliveries_of_a_target_are_listed_newest_first_and_filtered(
    writer: DeliveryWriter, store: DeliveryStore
) -> None:
    made = [delivery(number, created_at=WALL + number // 2, event_type=f"t{number % 2}") for number in range(1, 9)]
    foreign = (delivery(50, org_id="other"), delivery(51, webhook_id="wh_2"))
    await _put(writer, *made, *foreign)
    await writer.attempted(attempted(made[2]))
    await writer.attempted(dead(made[3]))
    newest_first = [one.delivery_id for one in sorted(made, key=lambda it: (it.created_at, it.delivery_id))[::-1]]

    async def listed(wanted: Wanted, limit: int = 3) -> list[str]:
        return await _ids(lambda cursor: store.page("local", "wh_1", wanted, cursor=cursor, limit=limit))

    assert await listed(ALL) == newest_first
    assert await listed(ALL, limit=8) == newest_first
    assert await listed(Wanted(status=DeliveryStatus.DELIVERED)) == [made[2].delivery_id]
    assert await listed(Wanted(event_type="t0")) == [one for one in newest_first if int(one[4:], 16) % 2 == 0]
    within = Wanted(since=WALL + 1.0, until=WALL + 3.0)
    expected = [one.delivery_id for one in made if WALL + 1.0 <= one.created_at < WALL + 3.0]
    assert sorted(await listed(within)) == expected
    assert await listed(Wanted(since=WALL + 99.0)) == []
    with pytest.raises(InvalidInput):
        await store.page("local", "wh_1", ALL, cursor="nonsense")
    assert await store.counts("local", "wh_1") == {
        **dict.fromkeys(DeliveryStatus, 0),
        DeliveryStatus.PENDING: 6,
        DeliveryStatus.DELIVERED: 1,
        DeliveryStatus.DEAD_LETTERED: 1,
    }


async def test_dead_letters_are_listed_by_their_end(writer: DeliveryWriter, store: DeliveryStore) -> None:
    made = [delivery(number, webhook_id=f"wh_{number % 2}", event_type=f"t{number % 2}") for number in range(1, 7)]
    foreign, alive = delivery(50, org_id="other"), delivery(51)
    await _put(writer, *made, foreign, alive)
    for place, one in enumerate([*made, foreign]):
        await writer.attempted(dead(one, at=WALL + 10.0 - place // 2))

    async def listed(wanted: Wanted, webhook_id: str | None = None) -> list[str]:
        return await _ids(
            lambda cursor: store.dead_letters("local", wanted, webhook_id=webhook_id, cursor=cursor, limit=2)
        )

    order = [made[place].delivery_id for place in (1, 0, 3, 2, 5, 4)]
    assert await listed(ALL) == order
    odd = [made[place].delivery_id for place in (0, 2, 4)]
    assert await listed(ALL, "wh_1") == odd
    assert await listed(Wanted(event_type="t1")) == odd
    assert await listed(Wanted(since=WALL + 9.0, until=WALL + 10.0)) == [made[3].delivery_id, made[2].delivery_id]


async def test_a_window_of_attempts_is_summed_up(writer: DeliveryWriter, store: DeliveryStore) -> None:
    made = many(1, 100)
    await writer.enqueue(enqueued(*made))
    for number, one in enumerate(made, 1):
        answer = (
            answered(200, duration_s=number / 100) if number > 20 else replace(failed(Failure.TIMEOUT), duration_s=9.0)
        )
        await writer.attempted(attempted(one, answer, at=WALL + number))
    await _put(writer, delivery(500, target_id="wh_2"))
    found = await store.stats("wh_1", WALL + 11.0, WALL + 101.0)
    assert found == Stats(90, 80, 0.65, 9.0, 9.0)
    assert found.success_share == pytest.approx(80 / 90)
    nothing = await store.stats("wh_2", WALL, WALL + 100.0)
    assert nothing == Stats(0, 0, None, None, None)
    assert nothing.success_share is None


async def _put(writer: DeliveryWriter, *deliveries: Delivery) -> None:
    await asyncio.gather(*(writer.enqueue(enqueued(one)) for one in deliveries))


async def _ids(page: Callable[[str | None], Awaitable[Page[Delivery]]]) -> list[str]:
    """The ids of all pages."""
    found: list[str] = []
    cursor = None
    while True:
        one = await page(cursor)
        found += [item.delivery_id for item in one.items]
        if (cursor := one.next_cursor) is None:
            return found
