"""Many debates in flight: what they take in memory, and whether agents still answer in time.

    python -m benchmarks.memory [--debates 1000] [--latency-ms 2000] [--spread-s 0]

All debates open at once, so that all their asks come at once too, or evenly over `--spread-s` seconds. Prints one
JSON line: memory of all processes while idle and at the peak (MB; `pss` counts shared pages once), how late answers
were beyond the latency L of the stubs, by the agent's own clock (`usage.latency_s` of the journal) and by the journal
(from the opening of a phase to the durable answer).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.figures import percentile, rounded
from benchmarks.load import AGENTS, load_on
from benchmarks.system import Memory, System, memory, running

SAMPLE_S: Final = 1.0
ANSWERS: Final = ("agent_message", "critique", "vote")
_ROWS: Final = """
    SELECT debate_id, type, at, json_extract(payload, '$.round'), json_extract(payload, '$.data.usage.latency_s')
    FROM journal ORDER BY debate_id, seq
"""
Row = tuple[str, str, float, int | None, float | None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--debates", type=int, default=1000)
    parser.add_argument("--latency-ms", type=float, default=2000.0)
    parser.add_argument("--spread-s", type=float, default=0.0)
    given = parser.parse_args()
    with running(stubs=len(AGENTS), latency_ms=given.latency_ms, http=False) as system:
        done = asyncio.run(_measure(system, given.debates, given.spread_s))
        latency_s = given.latency_ms / 1000
        rows = _rows(system.settings.data_dir / "debates.db")
    own, journaled = lateness(rows, latency_s)
    figures: dict[str, object] = {
        "debates": given.debates,
        "spread_s": given.spread_s,
        "most_in_flight": done.most_in_flight,
        "latency_ms": given.latency_ms,
        "answers": len(own),
        "idle_rss_mb": done.idle.rss_mb,
        "idle_pss_mb": done.idle.pss_mb,
        "peak_rss_mb": done.peak.rss_mb,
        "peak_pss_mb": done.peak.pss_mb,
        "processes": done.peak.processes,
        "late_p50_ms": percentile(own, 0.5) * 1000,
        "late_p99_ms": percentile(own, 0.99) * 1000,
        "late_p99_share_of_latency": percentile(own, 0.99) / latency_s,
        "journaled_late_p99_ms": percentile(journaled, 0.99) * 1000,
        "mean_s": sum(done.seconds) / len(done.seconds),
    }
    print(json.dumps(rounded(figures)))


def lateness(rows: Iterable[Row], latency_s: float) -> tuple[list[float], list[float]]:
    """Seconds beyond `latency_s` that answers took, ascending: by the agent's clock, and from the last row of the
    phase before to the answer's own. `rows` are in the order of their debate and seq."""
    own, journaled = [], []
    for debate, began_at in _phases(rows):
        for _, _, at, _, answered_s in debate:
            own.append(max(0.0, (answered_s or 0.0) - latency_s))
            journaled.append(max(0.0, at - began_at - latency_s))
    return sorted(own), sorted(journaled)


def _phases(rows: Iterable[Row]) -> Iterator[tuple[list[Row], float]]:
    """Answers of the same debate, kind and round, with the time of the row before them."""
    phase: list[Row] = []
    began_at = last_at = 0.0
    for row in rows:
        same = phase and (phase[0][0], phase[0][1], phase[0][3]) == (row[0], row[1], row[3])
        if not same:
            if phase:
                yield phase, began_at
            phase, began_at = [], last_at
        if row[1] in ANSWERS:
            phase.append(row)
        last_at = row[2]
    if phase:
        yield phase, began_at


@dataclass(frozen=True, slots=True)
class _Done:
    idle: Memory
    peak: Memory
    most_in_flight: int
    seconds: list[float]


async def _measure(system: System, debates: int, spread_s: float) -> _Done:
    in_flight = most = 0

    async with load_on(system) as load:

        async def one(number: int) -> float:
            nonlocal in_flight, most
            await asyncio.sleep(spread_s * number / debates)
            in_flight += 1
            most = max(most, in_flight)
            try:
                return await load.debate()
            finally:
                in_flight -= 1

        await load.debate()  # the agents have their processes
        idle = await asyncio.to_thread(memory)
        samples = [idle]
        sampling = asyncio.create_task(_sample(samples))
        seconds = await asyncio.gather(*(one(number) for number in range(debates)))
        sampling.cancel()
        await asyncio.gather(sampling, return_exceptions=True)
    return _Done(idle, max(samples, key=lambda sample: sample.rss_mb), most, seconds)


async def _sample(samples: list[Memory]) -> None:
    while True:
        await asyncio.sleep(SAMPLE_S)
        samples.append(await asyncio.to_thread(memory))


def _rows(path: Path) -> list[Row]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(_ROWS).fetchall()


if __name__ == "__main__":
    main()
