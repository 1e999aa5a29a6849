"""N1: every event goes to every endpoint as fast as it goes, each result on disk; beside it the same requests from an
aiohttp client without a store."""

from __future__ import annotations

import asyncio
import time

import aiohttp

from benchmarks.webhooks.bed import ONE_KB, Bed, until
from benchmarks.webhooks.options import Line, Options

AT_ONCE = 10
AHEAD = 5_000
CLIENTS = 200


async def run(bed: Bed, options: Options) -> list[Line]:
    """One line; `bare_per_s` is the mean of a run before and one after, as other work of the machine comes and goes."""
    count = options.events * options.endpoints
    before = await bare(bed.url, count // 2)
    per_s, cpu_ms = await measured(bed, options.events, options.endpoints)
    bare_per_s = (before + await bare(bed.url, count // 2)) / 2
    figures = {
        "deliveries": count,
        "per_s": per_s,
        "cpu_ms_per_delivery": cpu_ms,
        "bare_per_s": bare_per_s,
        "ratio": per_s / bare_per_s,
    }
    met = per_s >= 1_500 and per_s / bare_per_s >= 0.4 and cpu_ms <= 0.7
    return [Line("N1 throughput", figures, "1,500/s; 0.4 of the bare client; CPU 0.7 ms a delivery", met)]


async def measured(bed: Bed, events: int, endpoints: int) -> tuple[float, float]:
    """Deliveries a second, and ms of CPU each."""
    async with bed.bench(bed.healthy(endpoints), keeps=False) as bench:
        began, cpu = time.monotonic(), time.process_time()
        for first in range(0, events, AT_ONCE):
            await bench.tell(min(AT_ONCE, events - first))
            await until(lambda: len(bench.queues) < AHEAD)
        await bench.all_sent(events * endpoints)
        took_s, cpu_s = time.monotonic() - began, time.process_time() - cpu
    return events * endpoints / took_s, 1_000.0 * cpu_s / (events * endpoints)


async def bare(url: str, count: int) -> float:
    """Requests a second of a plain aiohttp client with 200 of them under way."""
    body, left = b'{"a": "' + ONE_KB.encode() + b'"}', iter(range(count))

    async def work(session: aiohttp.ClientSession) -> None:
        for _ in left:
            async with session.post(url, data=body) as answer:
                await answer.read()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        began = time.monotonic()
        await asyncio.gather(*(work(session) for _ in range(CLIENTS)))
    return count / (time.monotonic() - began)
