"""How many debates a system carries: `python -m benchmarks.debates --debates N --concurrency C --latency-ms L`.

Each debate has 4 stub agents and 3 rounds: 3 x (4 answers + 12 critiques) + 4 votes = 52 asks, every answer
journaled, a signed receipt at the end. At most C debates run at once; the next opens when one ends. Prints one JSON
line: debates_per_s, mean_s and p99_s of a debate, asks_per_s,
cpu_ms_per_debate and memory of all processes (in MB).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass

from benchmarks.system import System, cpu_s, memory, postgres, running

AGENTS = tuple(f"stub-{number}" for number in range(1, 5))
ASKS = 52
Debate = Callable[[], Awaitable[float]]


@dataclass(frozen=True, slots=True)
class Figures:
    """One run. Seconds are of whole debates, from opening to the receipt's event."""

    debates: int
    concurrency: int
    latency_ms: float
    backend: str
    through: str
    debates_per_s: float
    mean_s: float
    p50_s: float
    p99_s: float
    asks_per_s: float
    cpu_ms_per_debate: float
    rss_mb: float
    pss_mb: float
    processes: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--debates", type=int, default=300)
    parser.add_argument("--concurrency", type=int, default=100)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--backend", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--http", action="store_true", help="through POST /api/debates and a WebSocket")
    parser.add_argument("--warm-up", type=int, default=20, help="debates before the clock starts")
    given = parser.parse_args()
    with ExitStack() as stack:
        url = stack.enter_context(postgres()) if given.backend == "postgres" else None
        system = stack.enter_context(
            running(stubs=len(AGENTS), latency_ms=given.latency_ms, http=given.http, database_url=url)
        )
        seconds, took, cpu = asyncio.run(_measure(system, given.debates, given.concurrency, given.warm_up))
        used = memory()
    seconds.sort()
    figures = Figures(
        debates=len(seconds),
        concurrency=given.concurrency,
        latency_ms=given.latency_ms,
        backend=given.backend,
        through="http" if given.http else "coordinator",
        debates_per_s=len(seconds) / took,
        mean_s=sum(seconds) / len(seconds),
        p50_s=seconds[len(seconds) // 2],
        p99_s=seconds[min(len(seconds) - 1, int(len(seconds) * 0.99))],
        asks_per_s=len(seconds) * ASKS / took,
        cpu_ms_per_debate=cpu * 1000 / len(seconds),
        **asdict(used),
    )
    print(
        json.dumps(
            {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(figures).items()}
        )
    )


async def _measure(system: System, debates: int, concurrency: int, warm_up: int) -> tuple[list[float], float, float]:
    if system.http_port is None:
        from benchmarks.through_coordinator import CoordinatorLoad as Load  # noqa: PLC0415 - imports Ray

        load = Load(system.settings, AGENTS)
    else:
        from benchmarks.through_http import HttpLoad  # noqa: PLC0415

        load = HttpLoad(system.http_port, AGENTS)
    async with load:
        await _run(load.debate, warm_up, min(concurrency, warm_up))
        began, used = time.monotonic(), cpu_s()
        seconds = await _run(load.debate, debates, concurrency)
        return seconds, time.monotonic() - began, cpu_s() - used


async def _run(debate: Debate, debates: int, concurrency: int) -> list[float]:
    slots = asyncio.Semaphore(max(1, concurrency))

    async def one() -> float:
        async with slots:
            return await debate()

    return list(await asyncio.gather(*(one() for _ in range(debates))))


if __name__ == "__main__":
    main()
