"""Where the CPU of a debate goes: `python -m benchmarks.shares [--debates 500] [--concurrency 100] [--http]`.

Prints one JSON line: milliseconds of CPU per debate by kind of process (Ray's own name of it: `AgentActor`,
`CoordinatorActor`, `raylet`, `gcs_server`, ...; `driver` is the load itself).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections import defaultdict
from pathlib import PurePath

import psutil

from benchmarks.figures import rounded
from benchmarks.load import AGENTS, load_on, run
from benchmarks.system import System, processes, running


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--debates", type=int, default=500)
    parser.add_argument("--concurrency", type=int, default=100)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--http", action="store_true")
    given = parser.parse_args()
    with running(stubs=len(AGENTS), latency_ms=given.latency_ms, http=given.http) as system:
        used = asyncio.run(_measure(system, given.debates, given.concurrency))
    shares: dict[str, object] = {kind: seconds * 1000 / given.debates for kind, seconds in used.items()}
    print(json.dumps(rounded({"debates": given.debates, "concurrency": given.concurrency, **shares})))


async def _measure(system: System, debates: int, concurrency: int) -> dict[str, float]:
    async with load_on(system) as load:
        await run(load.debate, 20, 20)
        before = cpu_by_kind()
        await run(load.debate, debates, concurrency)
        return spent_since(before)


def cpu_by_kind() -> dict[str, float]:
    """Seconds of CPU that the living processes of the system have used so far, by kind."""
    used: defaultdict[str, float] = defaultdict(float)
    for process in processes():
        times = process.cpu_times()
        kind = _kind(process)
        used[kind] = used[kind] + times.user + times.system
    return used


def spent_since(before: dict[str, float]) -> dict[str, float]:
    """Seconds of CPU by kind since `before`, what spent most first; without those that spent none."""
    spent = {kind: seconds - before.get(kind, 0.0) for kind, seconds in cpu_by_kind().items()}
    return dict(sorted(((k, s) for k, s in spent.items() if s > 0), key=lambda one: -one[1]))


def _kind(process: psutil.Process) -> str:
    if process.pid == os.getpid():
        return "driver"
    words = process.cmdline()
    if words and words[0].startswith("ray::"):
        return words[0].removeprefix("ray::").partition(".")[0]
    scripts = [word for word in words if word.endswith(".py")]
    return PurePath(scripts[0] if scripts else process.name()).name


if __name__ == "__main__":
    main()
