"""N6: what receivers that hang, trickle or stream for ever take from the others."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from aragora.webhooks.endpoint import Endpoint
from benchmarks.webhooks.bed import Bed, endpoint, pss_mb, until
from benchmarks.webhooks.latency import measured_waits
from benchmarks.webhooks.options import Line, Options
from benchmarks.webhooks.throughput import AHEAD, AT_ONCE

SHARES = {"hang": 0.20, "trickle": 0.10, "stream": 0.05}
RATE_PER_S = 300.0


async def run(bed: Bed, options: Options) -> list[Line]:
    """One line: the healthy ones alone (before and after, as other work of the machine comes and goes) and beside the
    others, at full speed and at a set rate."""
    bad = {kind: max(1, round(share * options.endpoints)) for kind, share in SHARES.items()}
    healthy = options.endpoints - sum(bad.values())
    before, cpu_before = await _per_s(_place(bed, "before"), options.events, healthy, ())
    _, p99_alone = await measured_waits(_place(bed, "paced_alone"), RATE_PER_S, bed.healthy(healthy), options.seconds)
    with bad_receivers() as urls:
        others = [endpoint(f"{kind}{n}", f"{urls[kind]}/{n}") for kind, count in bad.items() for n in range(count)]
        used = pss_mb()
        beside, cpu_beside = await _per_s(_place(bed, "beside"), options.events, healthy, others)
        grown = pss_mb() - used
        _, p99_beside = await measured_waits(
            _place(bed, "paced_beside"), RATE_PER_S, bed.healthy(healthy), options.seconds, others
        )
    after, cpu_after = await _per_s(_place(bed, "after"), options.events, healthy, ())
    alone = (before + after) / 2
    figures = {
        **{f"{kind}_endpoints": count for kind, count in bad.items()},
        "healthy": healthy,
        "per_s_alone": alone,
        "per_s_beside": beside,
        "ratio": beside / alone,
        "cpu_ms_alone": (cpu_before + cpu_after) / 2,
        "cpu_ms_beside": cpu_beside,
        "p99_ms_alone": p99_alone,
        "p99_ms_beside": p99_beside,
        "p99_ratio": p99_beside / p99_alone,
        "more_pss_mb": grown,
    }
    met = beside / alone >= 0.9 and p99_beside / p99_alone <= 1.5 and grown <= 50.0
    return [Line("N6 isolation", figures, "0.9 of the rate, 1.5 times the p99, 50 MB more", met)]


def _place(bed: Bed, name: str) -> Bed:
    (bed.directory / name).mkdir()
    return Bed(bed.directory / name, bed.url)


async def _per_s(bed: Bed, events: int, healthy: int, others: Sequence[Endpoint]) -> tuple[float, float]:
    """Deliveries a second to the healthy endpoints, of events that go to all, and ms of CPU of all work for each."""
    async with bed.bench([*bed.healthy(healthy), *others]) as bench:

        def reached() -> int:
            return sum(url.startswith(bed.url) for _, url in bench.noting.began)

        began, cpu = time.monotonic(), time.process_time()
        for first in range(0, events, AT_ONCE):
            await bench.tell(min(AT_ONCE, events - first))
            told = (first + AT_ONCE) * healthy
            await until(lambda told=told: reached() >= told - AHEAD)  # type: ignore[misc]
        await until(lambda: reached() >= events * healthy)
        wanted = events * healthy
        return wanted / (time.monotonic() - began), 1_000.0 * (time.process_time() - cpu) / wanted


@contextmanager
def bad_receivers() -> Iterator[dict[str, str]]:
    """The URLs of receivers in a process of their own, by kind."""
    command = [sys.executable, "-m", "benchmarks.webhooks.bad_receivers"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ports = process.stdout.readline().split()
            yield {kind: f"http://127.0.0.1:{port}" for kind, port in zip(SHARES, ports, strict=True)}
        finally:
            process.terminate()
