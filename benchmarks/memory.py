"""Many debates in flight: what they take in memory, and whether agents still answer in time.

    python -m benchmarks.memory [--debates 1000] [--latency-ms 2000]

All debates open at once. Prints one JSON line: memory of all processes while idle and at the peak (MB; `pss` counts
shared pages once), how late answers were beyond the latency L of the stubs, by the agent's own clock
(`usage.latency_s` of the journal) and by the journal (from the opening of a phase to the durable answer).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from benchmarks.load import AGENTS, load_on, percentile, rounded, run
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
    given = parser.parse_args()
    with running(stubs=len(AGENTS), latency_ms=given.latency_ms, http=False) as system:
        idle, peak, seconds = asyncio.run(_measure(system, given.debates))
        latency_s = given.latency_ms / 1000
        rows = _rows(system.settings.data_dir / "debates.db")
    own, journaled = lateness(rows, latency_s)
    figures: dict[str, object] = {
        "debates": len(seconds),
        "latency_ms": given.latency_ms,
        "answers": len(own),
        "idle_rss_mb": idle.rss_mb,
        "idle_pss_mb": idle.pss_mb,
        "peak_rss_mb": peak.rss_mb,
        "peak_pss_mb": peak.pss_mb,
        "processes": peak.processes,
        "late_p50_ms": percentile(own, 0.5) * 1000,
        "late_p99_ms": percentile(own, 0.99) * 1000,
        "late_p99_share_of_latency": percentile(own, 0.99) / latency_s,
        "journaled_late_p99_ms": percentile(journaled, 0.99) * 1000,
        "mean_s": sum(seconds) / len(seconds),
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


async def _measure(system: System, debates: int) -> tuple[Memory, Memory, list[float]]:
    async with load_on(system) as load:
        await run(load.debate, 1, 1)  # the agents have their processes
        idle = await asyncio.to_thread(memory)
        samples = [idle]
        sampling = asyncio.create_task(_sample(samples))
        seconds = await run(load.debate, debates, debates)
        sampling.cancel()
        await asyncio.gather(sampling, return_exceptions=True)
    return idle, max(samples, key=lambda sample: sample.rss_mb), seconds


async def _sample(samples: list[Memory]) -> None:
    while True:
        await asyncio.sleep(SAMPLE_S)
        samples.append(await asyncio.to_thread(memory))


def _rows(path: Path) -> list[Row]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(_ROWS).fetchall()


if __name__ == "__main__":
    main()
