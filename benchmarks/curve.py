"""What a debate costs, with 1 to 1,000 of them at once: `python -m benchmarks.curve > curve.jsonl`.

One system, one JSON line per number at once: debates_per_s, mean_s, and cpu_ms_per_debate of all processes. Draw it
with `python -m benchmarks.plot_curve`.
"""

from __future__ import annotations

import argparse
import asyncio
import json

from benchmarks.figures import rounded
from benchmarks.load import AGENTS, load_on, run, timed
from benchmarks.system import System, running

AT_ONCE = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
LEAST = 50  # debates per point


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--at-once", type=int, nargs="+", default=AT_ONCE)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    given = parser.parse_args()
    with running(stubs=len(AGENTS), latency_ms=given.latency_ms, http=False) as system:
        asyncio.run(_measure(system, given.at_once))


async def _measure(system: System, at_once: list[int]) -> None:
    async with load_on(system) as load:
        await run(load.debate, 20, 20)
        for count in at_once:
            debates = max(LEAST, count)
            done = await timed(load.debate, debates, count)
            figures: dict[str, object] = {
                "at_once": count,
                "debates": debates,
                "debates_per_s": debates / done.took_s,
                "mean_s": sum(done.seconds) / debates,
                "cpu_ms_per_debate": done.cpu_s * 1000 / debates,
            }
            print(json.dumps(rounded(figures)), flush=True)


if __name__ == "__main__":
    main()
