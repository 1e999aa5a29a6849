"""N2: from the outbox's row to the request, in this process: at a set rate, and at 80 % of what N1 reaches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from aragora.webhooks.endpoint import Endpoint
from benchmarks.figures import percentile
from benchmarks.webhooks.bed import Bed, until
from benchmarks.webhooks.options import Line, Options
from benchmarks.webhooks.throughput import measured


async def run(bed: Bed, options: Options) -> list[Line]:
    """The line of the set rate."""
    p50, p99 = await waits(bed, options.rate, 1, options.seconds)
    figures = {"rate_per_s": options.rate, "p50_ms": p50, "p99_ms": p99}
    return [Line("N2 latency", figures, "p50 15 ms, p99 60 ms", p50 <= 15.0 and p99 <= 60.0)]


async def run_loaded(bed: Bed, options: Options) -> list[Line]:
    """The line of 80 % of the throughput, which is measured first."""
    (bed.directory / "most").mkdir()
    most, _ = await measured(Bed(bed.directory / "most", bed.url), options.events, options.endpoints)
    rate = 0.8 * most
    p50, p99 = await waits(bed, rate, options.endpoints, options.seconds)
    figures = {"rate_per_s": rate, "p50_ms": p50, "p99_ms": p99}
    return [Line("N2b latency at 80 % of N1", figures, "p99 400 ms", p99 <= 400.0)]


async def waits(bed: Bed, rate: float, endpoints: int, seconds: float) -> tuple[float, float]:
    """As `measured_waits`, for so many healthy endpoints."""
    return await measured_waits(bed, rate, bed.healthy(endpoints), seconds)


async def measured_waits(
    bed: Bed, rate: float, healthy: Sequence[Endpoint], seconds: float, others: Sequence[Endpoint] = ()
) -> tuple[float, float]:
    """Milliseconds (p50, p99) until the request to a healthy endpoint, at so many deliveries a second to these; each
    event goes to all of them, and to `others`."""
    written: dict[str, float] = {}
    async with bed.bench([*healthy, *others]) as bench:
        count = max(1, int(rate * seconds / len(healthy)))
        telling: set[asyncio.Task[None]] = set()
        due = time.monotonic()
        for number in range(count):
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            written[f"deb_0:{number + 1}"] = due  # late ourselves is late for the receiver too
            telling.add(asyncio.create_task(bench.tell(1)))
            due += len(healthy) / rate
        await asyncio.gather(*telling)
        began = bench.noting.began
        await until(lambda: sum(url.startswith(bed.url) for _, url in began) >= count * len(healthy))
        found = sorted(1_000.0 * (at - written[event]) for (event, url), at in began.items() if url.startswith(bed.url))
    return percentile(found, 0.5), percentile(found, 0.99)
