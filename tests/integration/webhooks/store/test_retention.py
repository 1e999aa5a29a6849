"""The hourly job: what is older than it is kept goes, and is counted."""

from __future__ import annotations

from collections.abc import Callable

from worlds.backends import SetClock
from worlds.webhook_deliveries import WALL, delivery
from worlds.webhook_store import attempted, dead, enqueued

from aragora.storage.counters import CounterStore
from aragora.storage.database import Database
from aragora.webhooks.model import DeliveryStatus
from aragora.webhooks.retention import DAY_S, PURGED, Retention, retaining
from aragora.webhooks.store.deliveries import DeliveryStore
from aragora.webhooks.store.writer import DeliveryWriter

KEPT = Retention(delivered_s=7 * DAY_S, texts_s=3 * DAY_S, dead_letters_s=30 * DAY_S, dead_letters_max=2)


async def test_what_is_older_than_it_is_kept_goes_and_the_rest_stays(
    opened: Callable[[], Database], writer: DeliveryWriter, store: DeliveryStore
) -> None:
    waiting, arrived, *letters = (delivery(number) for number in range(1, 6))
    for one in (waiting, arrived, *letters):
        await writer.enqueue(enqueued(one))
    await writer.attempted(attempted(arrived))
    for place, one in enumerate(letters):
        await writer.attempted(dead(one, at=WALL + place))
    database, clock = opened(), SetClock(WALL + 8 * DAY_S)
    job = retaining(database, KEPT, clock)

    told = await job.run()

    assert told == "deleted 1 deliveries, 1 dead letters, 0 events and 3 texts of answers"
    assert await store.counts("local", "wh_1") == {
        **dict.fromkeys(DeliveryStatus, 0),
        DeliveryStatus.PENDING: 1,
        DeliveryStatus.DEAD_LETTERED: 2,
    }
    counted = {delta.labels: delta.amount for delta in await CounterStore(database).all() if delta.sample == PURGED}
    assert counted[("what", "delivery"),] == 1.0
    assert counted[("what", "dead_letter"),] == 1.0
    later = retaining(database, KEPT, SetClock(WALL + 31 * DAY_S))
    assert "2 dead letters" in await later.run()
    assert (await store.get("local", waiting.delivery_id)).status is DeliveryStatus.PENDING
