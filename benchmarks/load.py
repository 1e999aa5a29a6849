"""Debates at once: what a load is and how it is run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from benchmarks.system import System, cpu_s

AGENTS = tuple(f"stub-{number}" for number in range(1, 5))
ASKS = 52
FULL_EXCHANGE = {"rounds": 3, "topology": "all_to_all", "options": ("yes", "no")}
"""Everyone criticises everyone in every round. The options tell the positions, so that nobody is asked for them, and
stubs never all choose the same one."""

Debate = Callable[[], Awaitable[float]]


class Load(AbstractAsyncContextManager["Load"], Protocol):
    """A way into a running system."""

    async def debate(self) -> float:
        """Seconds from opening one debate to its end."""
        ...


@dataclass(frozen=True, slots=True)
class Run:
    """What a number of debates took: seconds of each (ascending), of all, and seconds of CPU of all processes."""

    seconds: list[float]
    took_s: float
    cpu_s: float


def load_on(system: System) -> Load:
    """HTTP where the system has it, else messages to the coordinator."""
    if system.http_port is not None:
        from benchmarks.through_http import HttpLoad  # noqa: PLC0415

        return HttpLoad(system.http_port, AGENTS)
    from benchmarks.through_coordinator import CoordinatorLoad  # noqa: PLC0415 - imports Ray

    return CoordinatorLoad(system.settings, AGENTS)


async def timed(debate: Debate, debates: int, concurrency: int) -> Run:
    """Run them, at most `concurrency` at once; the next opens when one ends."""
    began, used = time.monotonic(), cpu_s()
    seconds = await run(debate, debates, concurrency)
    return Run(sorted(seconds), time.monotonic() - began, cpu_s() - used)


async def run(debate: Debate, debates: int, concurrency: int) -> list[float]:
    """Seconds of each debate, in the order of their opening."""
    slots = asyncio.Semaphore(max(1, concurrency))

    async def one() -> float:
        async with slots:
            return await debate()

    return list(await asyncio.gather(*(one() for _ in range(debates))))
