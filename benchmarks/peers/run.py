"""One peer, in this process: `python -m benchmarks.peers.run PEER --debates N --concurrency C --latency-ms L`.

Prints one JSON line: debates_per_s, mean_s, cpu_ms_per_debate, rss_mb. Needs the peer's framework alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import tempfile
import time
from importlib import import_module
from pathlib import Path

from benchmarks.peers.workload import ASKS, RunDebate

PEERS = {
    "asyncio": "benchmarks.peers.plain_asyncio",
    "autogen-core": "benchmarks.peers.on_autogen",
    "langgraph+sqlite": "benchmarks.peers.on_langgraph",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("peer", choices=sorted(PEERS))
    parser.add_argument("--debates", type=int, default=100)
    parser.add_argument("--concurrency", type=int, default=100)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--warm-up", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="peer-") as directory:
        print(json.dumps(asyncio.run(_measure(given, Path(directory)))))


async def _measure(given: argparse.Namespace, directory: Path) -> dict[str, object]:
    async with import_module(PEERS[given.peer]).opened(given.latency_ms / 1000, directory) as debate:
        await _run(debate, given.warm_up, given.warm_up, "warm")
        began, used = time.monotonic(), time.process_time()
        seconds = await _run(debate, given.debates, given.concurrency, "deb")
        took, cpu = time.monotonic() - began, time.process_time() - used
    return {
        "peer": given.peer,
        "debates_per_s": round(given.debates / took, 4),
        "mean_s": round(sum(seconds) / len(seconds), 4),
        "cpu_ms_per_debate": round(cpu * 1000 / given.debates, 4),
        "rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6, 1),
    }


async def _run(debate: RunDebate, debates: int, concurrency: int, prefix: str) -> list[float]:
    slots = asyncio.Semaphore(max(1, concurrency))

    async def one(number: int) -> float:
        async with slots:
            began = time.monotonic()
            answers = await debate(f"{prefix}_{number}")
            if answers != ASKS:
                raise RuntimeError(f"{answers} answers instead of {ASKS}: this peer does not do the workload")
            return time.monotonic() - began

    return list(await asyncio.gather(*(one(number) for number in range(debates))))


if __name__ == "__main__":
    main()
