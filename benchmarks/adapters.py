"""What the adapters of the mound cost, and how far behind debates they are: `python -m benchmarks.adapters`, with
[--debates N] [--concurrency C] [--latency-ms L] [--passivate-s S].

Four states of one system with stub agents: idle, after one debate, under load, and idle again once all rest. Of each
the processes and the memory of the whole system; of one debate how long it takes until all adapters have learnt
from it, asleep and awake; under load the age of the oldest debate that waits, looked at every 0.1 s, and how long after
the last one nothing waits. Prints one JSON line for each. What a process shares with others is counted once (`pss_mb`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from actors.kinds import ADAPTER
from actors.runtime import Runtime
from aragora.background import wait_until
from aragora.clock import SystemClock
from aragora.knowledge.syncs import TOPIC
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox_store import OutboxStore
from benchmarks.figures import percentile, rounded
from benchmarks.load import AGENTS, Load, load_on, timed
from benchmarks.system import System, memory, running

LIMIT_S: Final = 600.0
LOOK_S: Final = 0.1
AWAKE_TRIES: Final = 20

AWAKE_P99_S: Final = 3.0
ASLEEP_S: Final = 6.0
DRAINED_S: Final = 60.0


class _Watch:
    """Looks at what waits in the outbox."""

    def __init__(self, system: System) -> None:
        self._database = Database.open(system.settings, Context.DEBATES)
        self._outbox = OutboxStore(self._database)
        self.ages_s: list[float] = []

    async def aclose(self) -> None:
        await self._database.aclose()

    async def learnt(self) -> float:
        """Seconds until nothing waits."""
        began = time.monotonic()

        async def nothing_waits() -> bool:
            return await self._outbox.count(TOPIC) == 0

        if not await wait_until(nothing_waits, limit_s=LIMIT_S, every_s=0.02, clock=SystemClock()):
            raise SystemExit(f"debates still wait for the Knowledge Mound after {LIMIT_S:g} s")
        return time.monotonic() - began

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        """Note the age of the oldest debate that waits, while the block runs."""

        async def look() -> None:
            while True:
                oldest = await self._outbox.pending((TOPIC,), 1)
                self.ages_s.append(time.time() - oldest[0].created_at if oldest else 0.0)
                await asyncio.sleep(LOOK_S)

        task = asyncio.create_task(look())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--debates", type=int, default=300)
    parser.add_argument("--concurrency", type=int, default=50)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--passivate-s", type=float, default=15.0, help="a process rests after so long without work")
    given = parser.parse_args()
    rests = {"ARAGORA_PASSIVATE_AFTER_S": f"{given.passivate_s:g}"}
    with running(stubs=len(AGENTS), latency_ms=given.latency_ms, http=False, **rests) as system:
        asyncio.run(_measure(system, given.debates, given.concurrency))


async def _measure(system: System, debates: int, concurrency: int) -> None:
    watch, runtime = _Watch(system), Runtime(system.settings)
    async with load_on(system) as load:
        _print("idle", **await _state(runtime))
        asleep_s = await _lag(load, watch)
        _print(
            "one debate", **await _state(runtime), lag_s=asleep_s, goal=f"<= {ASLEEP_S:g} s", met=asleep_s <= ASLEEP_S
        )
        awake = sorted([await _lag(load, watch) for _ in range(AWAKE_TRIES)])
        slowest = percentile(awake, 0.99)
        _print(
            "awake",
            lag_p50_s=percentile(awake, 0.5),
            lag_p99_s=slowest,
            goal=f"<= {AWAKE_P99_S:g} s",
            met=slowest <= AWAKE_P99_S,
        )
        async with watch.looking():
            done = await timed(load.debate, debates, concurrency)
        used, drained_s = await _state(runtime), await watch.learnt()
        ages = sorted(watch.ages_s)
        _print(
            "load",
            **used,
            debates_per_s=debates / done.took_s,
            waits_p50_s=percentile(ages, 0.5),
            waits_p99_s=percentile(ages, 0.99),
            drained_s=drained_s,
            goal=f"drained within {DRAINED_S:g} s",
            met=drained_s <= DRAINED_S,
        )

        async def all_rest() -> bool:
            return not await runtime.alive(ADAPTER)

        if await wait_until(all_rest, limit_s=LIMIT_S, every_s=0.5, clock=SystemClock()):
            _print("idle again", **await _state(runtime))
    await watch.aclose()


async def _lag(load: Load, watch: _Watch) -> float:
    """Seconds from the end of a debate until all adapters have learnt from it."""
    await load.debate()
    return await watch.learnt()


async def _state(runtime: Runtime) -> dict[str, float]:
    used = await asyncio.to_thread(memory)
    alive = await runtime.alive(ADAPTER)
    return {"processes": used.processes, "pss_mb": used.pss_mb, "adapter_processes": len(alive)}


def _print(state: str, **figures: object) -> None:
    print(json.dumps({"state": state, **rounded(figures)}), flush=True)


if __name__ == "__main__":
    main()
