"""N10: two workloads that others have published, at `scale` of their size.

- Outpost's: 100,000 events from 10 publishers at 100/s each, 100 destinations.
- Shopware's: 20,040 events to 8 receivers; a fifth fails at first, a tenth takes 0.5 to 1 s.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

from aragora.webhooks.endpoint import ClientCertificate
from aragora.webhooks.model import Answer, Failure, Request
from benchmarks.figures import percentile
from benchmarks.webhooks.bed import Bed, endpoint, until
from benchmarks.webhooks.options import Line, Options
from benchmarks.webhooks.throughput import AHEAD

OUTPOST = (100_000, 10, 100.0, 100)
SHOPWARE = (20_040, 8)
FAIL_FIRST, SLOW = 0.2, 0.1
BATCH_S = 0.02


async def run(bed: Bed, options: Options) -> list[Line]:
    """Two lines without goals."""
    for name in ("outpost", "shopware"):
        (bed.directory / name).mkdir()
    return [
        await _outpost(Bed(bed.directory / "outpost", bed.url), options.scale),
        await _shopware(Bed(bed.directory / "shopware", bed.url), options.scale),
    ]


async def _outpost(bed: Bed, scale: float) -> Line:
    events, publishers, each_per_s, destinations = OUTPOST
    events = max(destinations, int(events * scale))
    told: dict[str, float] = {}
    endpoints = [endpoint(f"{number:03}", f"{bed.url}/{number}", org=number) for number in range(destinations)]
    async with bed.bench(endpoints) as bench:
        began, done = time.monotonic(), 0
        telling: list[asyncio.Task[None]] = []
        while done < events:
            await asyncio.sleep(BATCH_S)
            now = time.monotonic()
            wanted = min(events, int((now - began) * publishers * each_per_s))
            rows = []
            for number in range(done, wanted):
                told[f"deb_{number % destinations}:{number // destinations + 1}"] = now
                rows.append(bench.journal.ended(number % destinations))
            done = wanted
            telling.append(asyncio.create_task(bench.dispatcher.fan_out(rows)))
        await asyncio.gather(*telling)
        await bench.all_sent(events)
        took = time.monotonic() - began
        waits = sorted(1_000.0 * (at - told[event]) for (event, _), at in bench.noting.began.items())
    shares = {f"p{share:g}_ms": percentile(waits, share / 100) for share in (50, 95, 99)}
    figures = {"events": events, "wanted_per_s": publishers * each_per_s, "per_s": events / took, **shares}
    return Line("N10 Outpost's workload", figures)


class _Mixed:
    """A sender whose receivers are those of the workload. Which delivery fares how follows from its number."""

    def __init__(self, sender: Any) -> None:
        self.sender = sender
        self.calls = 0

    async def send(self, request: Request, certificate: ClientCertificate | None = None) -> Answer:
        self.calls += 1
        draw = random.Random(request.headers["webhook-id"])  # the same for every attempt
        fails, slow, more = draw.random() < FAIL_FIRST, draw.random() < SLOW, draw.random()
        answer: Answer = await self.sender.send(request, certificate)
        if slow:
            await asyncio.sleep(0.5 + more / 2)
        if fails and request.headers["X-Webhook-Attempt"] == "1":
            return Answer(Failure.STATUS, answer.duration_s, 500, "answered 500")
        return answer


async def _shopware(bed: Bed, scale: float) -> Line:
    events, receivers = SHOPWARE
    events = max(receivers, int(events * scale)) // receivers * receivers
    endpoints = [
        endpoint(f"{number}", f"{bed.url}/{number}", org=number, max_in_flight=60) for number in range(receivers)
    ]
    async with bed.bench(endpoints, keeps=False) as bench:
        mixed = bench.noting.sender = _Mixed(bench.noting.sender)
        began = time.monotonic()
        for _ in range(0, events, receivers):
            await bench.dispatcher.fan_out([bench.journal.ended(org) for org in range(receivers)])
            await until(lambda: len(bench.queues) < AHEAD)
        await bench.all_sent(events)
        took = time.monotonic() - began
    figures = {"events": events, "calls": mixed.calls, "took_s": took, "per_s": events / took}
    return Line("N10 Shopware's workload", figures)
