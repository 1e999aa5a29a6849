"""How many debates a system carries: `python -m benchmarks.debates --debates N --concurrency C --latency-ms L`.

Each debate has 4 stub agents and 3 rounds: 3 x (4 answers + 12 critiques) + 4 votes = 52 asks, every answer
journaled, a signed receipt at the end. At most C debates run at once; the next opens when one ends. Prints one JSON
line: debates_per_s, mean_s and p99_s of a debate, asks_per_s, cpu_ms_per_debate and memory of all processes (in MB),
and learnt_s, how long after the last debate the Knowledge Mound had learnt from all of them. With --no-knowledge
debates look for nothing and teach nothing: the difference is what the Knowledge Mound costs them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Final

from aragora.background import wait_until
from aragora.clock import SystemClock
from aragora.config.settings import Settings
from aragora.knowledge.syncs import TOPIC
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox_store import OutboxStore
from benchmarks.figures import percentile, rounded
from benchmarks.load import AGENTS, ASKS, Run, load_on, run, timed
from benchmarks.system import System, memory, postgres, running

LEARNT_S: Final = 600.0
LOOK_S: Final = 0.1


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
    knowledge: bool
    learnt_s: float | None
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
    parser.add_argument("--no-knowledge", action="store_true", help="without the Knowledge Mound")
    parser.add_argument("--warm-up", type=int, default=20, help="debates before the clock starts")
    given = parser.parse_args()
    with ExitStack() as stack:
        url = stack.enter_context(postgres()) if given.backend == "postgres" else None
        system = stack.enter_context(
            running(
                stubs=len(AGENTS),
                latency_ms=given.latency_ms,
                http=given.http,
                database_url=url,
                ARAGORA_KNOWLEDGE=str(not given.no_knowledge).lower(),
            )
        )
        done = asyncio.run(_measure(system, given.debates, given.concurrency, given.warm_up))
        used = memory()
        learnt_s = None if given.no_knowledge else asyncio.run(_learnt(system.settings))
    debates = len(done.seconds)
    figures = Figures(
        debates=debates,
        concurrency=given.concurrency,
        latency_ms=given.latency_ms,
        backend=given.backend,
        through="http" if given.http else "coordinator",
        debates_per_s=debates / done.took_s,
        mean_s=sum(done.seconds) / debates,
        p50_s=percentile(done.seconds, 0.5),
        p99_s=percentile(done.seconds, 0.99),
        asks_per_s=debates * ASKS / done.took_s,
        cpu_ms_per_debate=done.cpu_s * 1000 / debates,
        knowledge=not given.no_knowledge,
        learnt_s=learnt_s,
        **asdict(used),
    )
    print(json.dumps(rounded(asdict(figures))))


async def _measure(system: System, debates: int, concurrency: int, warm_up: int) -> Run:
    async with load_on(system) as load:
        await run(load.debate, warm_up, min(concurrency, warm_up))
        return await timed(load.debate, debates, concurrency)


async def _learnt(settings: Settings) -> float:
    """Seconds until no debate waits for an adapter."""
    began, database = time.monotonic(), Database.open(settings, Context.DEBATES)

    async def all_learnt() -> bool:
        return await OutboxStore(database).count(TOPIC) == 0

    try:
        if not await wait_until(all_learnt, limit_s=LEARNT_S, every_s=LOOK_S, clock=SystemClock()):
            raise SystemExit(f"debates still wait for the Knowledge Mound after {LEARNT_S:g} s")
    finally:
        await database.aclose()
    return time.monotonic() - began


if __name__ == "__main__":
    main()
