"""The relay of the outbox: each topic reaches its consumer, and what fails keeps nothing else from going on."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Collection, Sequence
from dataclasses import replace

import pytest
from msgspec import ValidationError
from structlog.testing import capture_logs
from worlds.logical_time import in_logical_time

from aragora.errors import Unavailable
from aragora.observability.samples import CounterDelta
from aragora.storage.outbox import (
    AFTER_ERROR,
    BATCH,
    IDLE_S,
    LEFT_S,
    SET_ASIDE_MAX,
    SET_ASIDE_S,
    TRIES_MAX,
    OutboxRelay,
    OutboxRow,
    dead,
)


class Table:
    """Rows in memory, dropped when they are done."""

    def __init__(self, *rows: OutboxRow) -> None:
        self.rows = list(rows)
        self.changed = asyncio.Event()
        self.limits: list[int] = []
        self.counted: list[tuple[str, tuple[tuple[str, str], ...], float]] = []

    async def pending(self, topics: Collection[str], limit: int = 100) -> list[OutboxRow]:
        self.limits.append(limit)
        return [row for row in self.rows if row.topic in topics][:limit]

    async def done(self, outbox_ids: Sequence[str]) -> None:
        self.rows = [row for row in self.rows if row.outbox_id not in outbox_ids]
        self.changed.set()

    async def bury(self, topic: str, outbox_ids: Sequence[str], counters: Sequence[CounterDelta]) -> None:
        self.rows = [replace(row, topic=topic) if row.outbox_id in outbox_ids else row for row in self.rows]
        self.counted += [(delta.sample, delta.labels, delta.amount) for delta in counters]

    def ids(self) -> list[str]:
        return [row.outbox_id for row in self.rows]


class Applied:
    """A consumer that remembers its batches, and fails at will."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.away = False
        self.bad: set[str] = set()
        self.error: Exception = ValueError("not JSON")
        self.asked_at: list[float] = []

    async def apply(self, rows: Sequence[OutboxRow]) -> None:
        self.asked_at.append(asyncio.get_running_loop().time())
        if self.away:
            raise Unavailable("the disk is full")
        if any(row.outbox_id in self.bad for row in rows):
            raise self.error
        self.batches.append([row.outbox_id for row in rows])


class Time:
    at = 0.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


def row(outbox_id: str) -> OutboxRow:
    """A row of the topic before the colon."""
    return OutboxRow(outbox_id, outbox_id.partition(":")[0], "deb_1", "{}", 100.0)


def relay(table: Table, clock: Time | None = None, **consumers: Applied) -> OutboxRelay:
    return OutboxRelay(table, table, consumers, clock)


async def test_each_topic_reaches_its_consumer_and_its_rows_are_done() -> None:
    table = Table(row("ratings:1"), row("usage:1"), row("ratings:2"))
    ratings, usage = Applied(), Applied()
    await relay(table, ratings=ratings, usage=usage).aclose()
    assert (ratings.batches, usage.batches) == ([["ratings:1", "ratings:2"]], [["usage:1"]])
    assert table.rows == []


async def test_rows_of_a_topic_without_a_consumer_stay() -> None:
    table = Table(row("webhook:1"), row("usage:1"))
    await relay(table, usage=Applied()).aclose()
    assert table.ids() == ["webhook:1"]


async def test_more_rows_than_a_batch_are_brought_over_batch_by_batch() -> None:
    usage = Applied()
    await relay(Table(*(row(f"usage:{number}") for number in range(2 * BATCH + 1))), usage=usage).aclose()
    assert [len(batch) for batch in usage.batches] == [BATCH, BATCH, 1]


async def test_a_consumer_that_fails_keeps_its_rows_and_does_not_hold_back_the_others() -> None:
    table = Table(row("ratings:1"), row("usage:1"))
    ratings, usage = Applied(), Applied()
    ratings.away = True
    running = relay(table, ratings=ratings, usage=usage)
    with capture_logs() as logs:
        running.start()
        async with asyncio.timeout(30):
            await table.changed.wait()
        await running.aclose()
    assert usage.batches == [["usage:1"]]
    assert table.ids() == ["ratings:1"]
    assert ("background step failed", "outbox ratings") in [(line["event"], line.get("task")) for line in logs]
    assert logs[-1]["event"] == "outbox rows are left for the next start"

    ratings.away = False
    await relay(table, ratings=ratings, usage=usage).aclose()
    assert ratings.batches == [["ratings:1"]]
    assert table.rows == []


async def test_rows_are_applied_again_where_they_could_not_be_marked_as_done() -> None:
    table = Table(row("usage:1"))
    usage = Applied()

    class Closed(Table):
        async def done(self, outbox_ids: Sequence[str]) -> None:
            raise Unavailable("the journal is closed")

    await OutboxRelay(table, Closed(), {"usage": usage}).aclose()
    await relay(table, usage=usage).aclose()
    assert usage.batches == [["usage:1"], ["usage:1"]]
    assert table.rows == []


async def test_a_row_that_cannot_be_applied_is_set_aside_and_those_beside_it_are_applied() -> None:
    table = Table(row("usage:1"), row("usage:2"), row("usage:3"))
    usage, time = Applied(), Time()
    usage.bad = {"usage:2"}
    running = relay(table, time, usage=usage)
    with capture_logs() as logs:
        await running.aclose()
    assert usage.batches == [["usage:1"], ["usage:3"]]
    assert table.ids() == ["usage:2"]
    assert [(line["event"], line["outbox_id"]) for line in logs] == [("an outbox row cannot be applied", "usage:2")]

    usage.bad = set()
    await running.aclose()
    assert table.ids() == ["usage:2"]
    time.at += SET_ASIDE_S
    await running.aclose()
    assert table.rows == []


@pytest.mark.parametrize("bad", [BATCH, BATCH + 1])
async def test_rows_that_are_set_aside_do_not_fill_the_batches_of_others(bad: int) -> None:
    rows = [row(f"usage:{number}") for number in range(bad)]
    table = Table(*rows, row("usage:last"))
    usage = Applied()
    usage.bad = {one.outbox_id for one in rows}
    with capture_logs():
        await relay(table, Time(), usage=usage).aclose()
    assert usage.batches == [["usage:last"]]
    assert len(table.rows) == bad


async def test_a_topic_whose_consumer_refuses_everything_pauses_and_reads_a_bounded_number_of_rows() -> None:
    rows = [row(f"usage:{number}") for number in range(3 * SET_ASIDE_MAX)]
    table, usage, time = Table(*rows), Applied(), Time()
    usage.bad = {one.outbox_id for one in rows}
    running = relay(table, time, usage=usage)
    with capture_logs() as logs:
        await running.aclose()
    assert max(table.limits) < SET_ASIDE_MAX + BATCH
    assert logs[-1]["event"] == "outbox rows are left for the next start"
    assert logs[-1]["error"] == f"{SET_ASIDE_MAX} rows of the topic usage cannot be applied: the log has the reasons"

    usage.bad = set()
    time.at += SET_ASIDE_S
    await running.aclose()
    assert table.rows == []


@pytest.mark.parametrize(
    "error", [OverflowError("too large"), ValueError("no day"), ValidationError("null"), KeyError("a")]
)
async def test_a_row_that_no_try_could_apply_is_dead_counted_and_comes_back_by_its_topic(error: Exception) -> None:
    table, usage, time = Table(row("usage:1"), row("usage:2")), Applied(), Time()
    usage.bad, usage.error = {"usage:1"}, error
    running = relay(table, time, usage=usage)
    with capture_logs() as logs:
        for tried in range(TRIES_MAX):
            await running.aclose()
            assert ([one.topic for one in table.rows] == ["usage"]) == (tried + 1 < TRIES_MAX)
            time.at += SET_ASIDE_S * 2**tried - 1.0
            await running.aclose()  # too early
            time.at += 1.0
    assert [one.topic for one in table.rows] == [dead("usage")]
    assert usage.batches == [["usage:2"]]
    assert table.counted == [("aragora_outbox_dead_rows_total", (("topic", "usage"),), 1.0)]
    lines = [line["event"] for line in logs]
    assert lines.count("an outbox row cannot be applied") == TRIES_MAX
    assert lines.count("outbox rows are dead: no try could apply them") == 1

    usage.bad = set()
    table.rows = [replace(one, topic="usage") for one in table.rows]
    await running.aclose()
    assert table.rows == []


async def test_a_dead_row_that_cannot_be_buried_now_is_buried_later() -> None:
    class Away(Table):
        async def bury(self, topic: str, outbox_ids: Sequence[str], counters: Sequence[CounterDelta]) -> None:
            if time.at < 1e9:
                raise Unavailable("the disk is full")
            await super().bury(topic, outbox_ids, counters)

    time = Time()
    table, usage = Away(row("usage:1")), Applied()
    usage.bad = {"usage:1"}
    running = relay(table, time, usage=usage)
    with capture_logs():
        for _ in range(TRIES_MAX):
            await running.aclose()
            time.at += 1e6
        time.at = 1e9
        await running.aclose()
    assert [one.topic for one in table.rows] == [dead("usage")]


@in_logical_time
async def test_a_consumer_that_is_back_gets_its_rows_within_seconds() -> None:
    ratings = Applied()
    ratings.away = True
    running = relay(Table(row("ratings:1")), ratings=ratings)
    with capture_logs():
        running.start()
        await asyncio.sleep(600)
        await running.aclose()
    pauses = [after - before for before, after in itertools.pairwise(ratings.asked_at)]
    assert max(pauses[:-1]) <= IDLE_S + AFTER_ERROR.cap_s


class Silent(Applied):
    """A consumer that never answers."""

    async def apply(self, rows: Sequence[OutboxRow]) -> None:
        await asyncio.Event().wait()


@in_logical_time
async def test_the_end_does_not_wait_for_a_consumer_that_never_answers() -> None:
    table = Table(row("ratings:1"), row("usage:1"))
    usage = Applied()
    with capture_logs() as lines:
        await relay(table, ratings=Silent(), usage=usage).aclose()
    assert asyncio.get_running_loop().time() == pytest.approx(LEFT_S)
    assert usage.batches == [["usage:1"]]
    assert table.ids() == ["ratings:1"], "it waits for the next start"
    assert [line["topic"] for line in lines] == ["ratings"]
