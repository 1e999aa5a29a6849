"""N8: what is read from a store with many rows, and what a purge of it takes from deliveries beside it. 90 % of the
rows are delivered, 9 % wait for a retry, 1 % are dead letters. SQLite only."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from aragora.config.settings import load_settings
from aragora.migrations.applying import apply_pending
from aragora.webhooks.ids import delivery_id
from aragora.webhooks.model import Answer, Attempt, Delivery, DeliveryStatus, EventRecord
from aragora.webhooks.store.deliveries import DeliveryStore, Wanted
from aragora.webhooks.store.purging import DeliveryPurge
from aragora.webhooks.store.rows import values_of_attempt, values_of_delivery, values_of_event
from aragora.webhooks.store.writer_sqlite import ATTEMPTS, DELIVERIES, EVENTS
from benchmarks.figures import percentile
from benchmarks.webhooks.bed import Bed, Bench, org_of, until
from benchmarks.webhooks.options import Line, Options

TARGETS = 1_000
OF_EACH_EVENT = 100
ASKED = 200
CHUNK = 20_000
DAY_S = 86_400.0
TOLD_PER_S = 200.0


async def run(bed: Bed, options: Options) -> list[Line]:
    """One line. The figures of deliveries are p99 from event to request, before and while it purges."""
    settings = load_settings({"ARAGORA_DATA_DIR": str(bed.directory)})
    await apply_pending(settings)
    began = time.monotonic()
    await asyncio.to_thread(_fill, bed.directory / "webhooks.db", options.rows)
    filled_s = time.monotonic() - began
    async with bed.bench(bed.healthy(1)) as bench:
        store, now = DeliveryStore(bench.database), time.time()
        due = await _p99_ms(lambda: store.due(now + 3_600.0, 100))
        of_one = await _p99_ms(lambda: store.waiting_of("wh_many_7", 100))
        page = await _p99_ms(lambda: store.dead_letters(org_of(9), Wanted(), limit=100))
        quiet = await _waits(bench, options.seconds / 2)
        purge = DeliveryPurge(bench.database, lambda _, __: ())
        purging = asyncio.create_task(_purge(purge, now, options.seconds))
        busy = await _waits(bench, options.seconds)
        rows_per_s = await purging
    figures = {
        "rows": options.rows,
        "filled_s": filled_s,
        "due_p99_ms": due,
        "waiting_of_one_p99_ms": of_one,
        "dead_letters_p99_ms": page,
        "purged_deliveries_per_s": rows_per_s / 2,
        "purged_rows_per_s": rows_per_s,
        "p99_ms_before": quiet,
        "p99_ms_while_purging": busy,
    }
    met = max(due, of_one) <= 5.0 and page <= 50.0 and rows_per_s >= 5_000 and busy <= max(2.0 * quiet, 10.0)
    return [Line("N8 large store", figures, "take-up 5 ms, page 50 ms, 5,000 rows/s purged, N2 at most doubled", met)]


async def _p99_ms(ask: Callable[[], Awaitable[Any]]) -> float:
    took = []
    for _ in range(ASKED):
        began = time.monotonic()
        await ask()
        took.append(1_000.0 * (time.monotonic() - began))
    return percentile(sorted(took), 0.99)


async def _waits(bench: Bench, seconds: float) -> float:
    """p99 ms from event to request at 200/s, for this long."""
    told: dict[str, float] = {}
    due, ends = time.monotonic(), time.monotonic() + seconds
    telling = []
    while due < ends:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        row = bench.journal.ended()
        told[f"{row.debate_id}:{row.outbox_id.rpartition(':')[2]}"] = due
        telling.append(asyncio.create_task(bench.dispatcher.fan_out([row])))
        due += 1.0 / TOLD_PER_S
    await asyncio.gather(*telling)
    await until(lambda: len(bench.queues) == 0)
    began = {event: at for (event, _), at in bench.noting.began.items()}
    return percentile(sorted(1_000.0 * (began[event] - at) for event, at in told.items()), 0.99)


async def _purge(purge: DeliveryPurge, now: float, seconds: float) -> float:
    """Rows (deliveries and their attempts) a second, in steps as the job makes them."""
    began, went = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        step = await purge.ended(now)
        if step == 0:
            break
        went += step
    return 2 * went / (time.monotonic() - began)


def _fill(path: Path, rows: int) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("synchronous=OFF", "cache_size=-500000", "journal_mode=WAL"):
        connection.execute(f"PRAGMA {pragma}")
    now = time.time()
    for first in range(0, rows, CHUNK):
        numbers = range(first, min(rows, first + CHUNK))
        made = [_delivery(number, now) for number in numbers]
        connection.execute("BEGIN")
        connection.executemany(EVENTS, map(values_of_event, _events(numbers, now)))
        connection.executemany(DELIVERIES, map(values_of_delivery, made))
        connection.executemany(ATTEMPTS, [values_of_attempt(one.target_id, _attempt(one)) for one in made])
        connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _events(numbers: range, now: float) -> Iterator[EventRecord]:
    for number in range(numbers.start, numbers.stop, OF_EACH_EVENT):
        yield EventRecord(f"old:{number // OF_EACH_EVENT}", org_of(9), "debate_end", '{"a": 1}', now - 5 * DAY_S)


def _delivery(number: int, now: float) -> Delivery:
    event, target = f"old:{number // OF_EACH_EVENT}", f"wh_many_{number % TARGETS}"
    kind = number * 7_919 % 100
    status, ended, due = DeliveryStatus.DELIVERED, now - DAY_S - number % 500_000, now - DAY_S
    if kind == 0:
        status = DeliveryStatus.DEAD_LETTERED
    elif kind < 10:
        status, ended, due = DeliveryStatus.RETRYING, 0.0, now + 600.0 + number % 400_000
    made = now - 6 * DAY_S
    return Delivery(
        delivery_id(event, f"{target} {number}"),
        event,
        org_of(9),
        target,
        target,
        "debate_end",
        status,
        made,
        due,
        made,
        attempts=1,
        last_code=200 if status is DeliveryStatus.DELIVERED else 500,
        ended_at=ended or None,
    )


def _attempt(one: Delivery) -> Attempt:
    return Attempt(one.delivery_id, 1, one.created_at, Answer(None, 0.1, one.last_code, "answered"))
