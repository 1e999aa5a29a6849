"""N3 to N5: many endpoints that are sent little, many that are sent nothing, and one event for all of them."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from aragora.webhooks.endpoint import Endpoint
from aragora.webhooks.model import Answer, Request
from benchmarks.figures import percentile
from benchmarks.webhooks.bed import Bed, Bench, org_of, pss_mb
from benchmarks.webhooks.latency import waits
from benchmarks.webhooks.options import Line, Options

ACTIVE = 1_000
COMMIT_EVERY_S = 0.02


async def run_hot(bed: Bed, options: Options) -> list[Line]:
    """N3. Events come one a second; each goes to all, so the last of a burst waits for the others."""
    before = pss_mb()
    p50, p99 = await waits(bed, float(options.hot), options.hot, options.seconds)
    grown = pss_mb() - before
    figures = {"endpoints": options.hot, "p50_ms": p50, "p99_ms": p99, "more_pss_mb": grown, "processes": 1}
    goal = "p99 300 ms, 300 MB"
    return [Line("N3 hot endpoints, all at once each second", figures, goal, p99 <= 300.0 and grown <= 300.0)]


async def run_registered(bed: Bed, options: Options) -> list[Line]:
    """N4. Only `ACTIVE` of the endpoints want the event; the others are there."""
    few = await _registered(bed, bed.healthy(ACTIVE), "few")
    idle = [_of_another(one) for one in bed.healthy(options.registered)[ACTIVE:]]
    many = await _registered(bed, [*bed.healthy(ACTIVE), *idle], "many")
    figures = {
        "registered": options.registered,
        "more_pss_mb": many["pss_mb"] - few["pss_mb"],
        "list_page_ms": many["page_ms"],
        "later_s": many["start_s"] - few["start_s"],
    }
    met = figures["more_pss_mb"] <= 60.0 and figures["list_page_ms"] <= 20.0 and figures["later_s"] <= 1.0
    return [Line("N4 registered endpoints", figures, "60 MB more, page 20 ms, start 1 s later", met)]


async def run_large_event(bed: Bed, options: Options) -> list[Line]:
    """N5. The sender is one that answers at once: the rows are measured. Beside it something commits to a file of its
    own, as the journal does."""
    commits = _Commits(bed.directory / "journal.db")
    async with bed.bench(bed.healthy(options.large), sender=_AtOnce(), keeps=False) as bench:
        committing = asyncio.create_task(commits.run())
        began = time.monotonic()
        await bench.tell(1)
        took = time.monotonic() - began
        committing.cancel()
        first = (bench.noting.first_at or time.monotonic()) - began
        await bench.dispatcher.drain(0.0)
    slowest = 1_000.0 * max(commits.took_s, default=0.0)
    figures = {
        "endpoints": options.large,
        "rows_per_s": options.large / took,
        "first_delivery_ms": 1_000.0 * first,
        "slowest_journal_commit_ms": slowest,
        "p99_journal_commit_ms": 1_000.0 * percentile(sorted(commits.took_s), 0.99),
    }
    met = options.large / took >= 20_000 and first <= 0.1 and slowest <= 20.0
    return [Line("N5 one event", figures, "20,000 rows/s, first within 100 ms, journal commits 20 ms", met)]


async def _registered(bed: Bed, endpoints: Sequence[Endpoint], name: str) -> dict[str, float]:
    """Memory, pages and the time until the event has gone out to those that want it."""
    (bed.directory / name).mkdir()
    async with Bed(bed.directory / name, bed.url).bench(endpoints, keeps=False) as bench:
        before = time.monotonic()
        await bench.tell(1)
        await bench.all_sent(min(ACTIVE, len(endpoints)))
        sent_s = time.monotonic() - before
        page_ms = await _page_ms(bench)
        return {"pss_mb": pss_mb(), "page_ms": page_ms, "start_s": sent_s}


async def _page_ms(bench: Bench) -> float:
    """The median of some pages of 100 in the middle of the list."""
    took = []
    cursor: str | None = None
    for _ in range(9):
        began = time.monotonic()
        page = await bench.endpoints.page(org_of(0), cursor=cursor, limit=100)
        took.append(1_000.0 * (time.monotonic() - began))
        cursor = page.next_cursor
    return sorted(took)[len(took) // 2]


def _of_another(one: Endpoint) -> Endpoint:
    return replace(one, events=("consensus",))


class _AtOnce:
    """A sender whose receivers answer before they are asked."""

    async def send(self, request: Request, certificate: object = None) -> Answer:  # noqa: ARG002
        return Answer(None, 0.0, 200)


class _Commits:
    """Small commits to a SQLite file with `synchronous=FULL`, one every 20 ms, in a thread as the journal's writer."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.took_s: list[float] = []

    async def run(self) -> None:
        while True:
            self.took_s.append(await asyncio.to_thread(self._once))
            await asyncio.sleep(COMMIT_EVERY_S)

    def _once(self) -> float:
        connection = sqlite3.connect(self._path, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("CREATE TABLE IF NOT EXISTS rows (text TEXT)")
            began = time.monotonic()
            connection.execute("INSERT INTO rows VALUES (?)", ("x" * 700,))
            return time.monotonic() - began
        finally:
            connection.close()
