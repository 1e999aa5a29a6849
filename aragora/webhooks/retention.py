"""How long deliveries are kept: an hourly job deletes what is older, in small steps, and counts it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from aragora.background import Job
from aragora.clock import Clock
from aragora.observability.samples import CounterDelta
from aragora.storage.database import Database
from aragora.webhooks.store.purging import DeliveryPurge, Purged
from aragora.webhooks.store.replays import ReplayStore

EVERY_S: Final = 3_600.0
DAY_S: Final = 86_400.0
PURGED: Final = "aragora_webhook_purged_total"


@dataclass(frozen=True, slots=True)
class Retention:
    """Ages are in seconds; `dead_letters_max` is of one organisation. Replays that have ended are kept as long as dead
    letters."""

    delivered_s: float
    texts_s: float
    dead_letters_s: float
    dead_letters_max: int


def counted(what: Purged, number: int) -> tuple[CounterDelta, ...]:
    """The increments for so many of a kind that were deleted."""
    return (CounterDelta(PURGED, (("what", what.value),), float(number)),)


def retaining(database: Database, retention: Retention, clock: Clock) -> Job:
    """The job over the store of webhooks."""
    purge, replays = DeliveryPurge(database, counted, clock), ReplayStore(database)

    async def run() -> str:
        now = clock.now()
        texts = await _all_of(lambda: purge.texts(now - retention.texts_s))
        delivered = await _all_of(lambda: purge.ended(now - retention.delivered_s))
        dead = await _all_of(lambda: purge.dead_letters(now - retention.dead_letters_s))
        for org_id in await purge.orgs_over(retention.dead_letters_max):
            dead += await _all_of(partial(purge.surplus, org_id, retention.dead_letters_max))
        events = await _all_of(lambda: purge.events(now - retention.delivered_s))
        await _all_of(lambda: replays.prune(now - retention.dead_letters_s))
        return f"deleted {delivered} deliveries, {dead} dead letters, {events} events and {texts} texts of answers"

    return Job("webhook retention", EVERY_S, run)


async def _all_of(step: Callable[[], Awaitable[int]]) -> int:
    """Step until nothing is left; returns how many went. Raises Unavailable: the next run goes on."""
    total = 0
    while went := await step():
        total += went
    return total
