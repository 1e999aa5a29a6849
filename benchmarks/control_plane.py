"""How fast tasks are given out and completed: `python -m benchmarks.control_plane [--seconds N] [--agents N] ...`.

Agents in one process claim the next task, complete it, and submit another one in its place, against a SQLite file in a
fresh directory, or the PostgreSQL of `--database-url`, whose tables must be there. Each completion is on disk, with its
outbox row. Prints one JSON line for each figure, with its goal and whether it is met. Without `--pace` the agents go as
fast as they can, and a claim's time is mostly that of the queue before it; with `--pace N` together they complete N
tasks a second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aragora.clock import SystemClock
from aragora.config.settings import Settings
from aragora.control_plane.model import Holding, NewTask
from aragora.control_plane.store.writer import TaskWriter
from aragora.control_plane.tasking import Tasks
from aragora.migrations.applying import apply_pending
from aragora.scope import EVERYTHING
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from benchmarks.figures import percentile, rounded

COMPLETIONS_A_SECOND: Final = 1_000.0
CLAIM_P99_MS: Final = 10.0

_CAN: Final = ("python", "review", "search")


@dataclass
class _Told:
    completed: int = 0
    claims_ms: list[float] = field(default_factory=list)
    completions_ms: list[float] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--agents", type=int, default=64)
    parser.add_argument("--waiting", type=int, default=2_000, help="tasks that wait all the time")
    parser.add_argument("--pace", type=float, default=0.0, help="completions a second; 0: as many as there can be")
    parser.add_argument("--database-url", help="a PostgreSQL with the tables of the store")
    asyncio.run(_run(parser.parse_args()))


async def _run(options: argparse.Namespace) -> None:
    async with _tasks(options.database_url) as tasks:
        await asyncio.gather(*(tasks.submit(_new(number)) for number in range(options.waiting)))
        told = _Told()
        began, cpu_s = time.perf_counter(), time.process_time()
        until = began + options.seconds
        every_s = options.agents / options.pace if options.pace else 0.0
        await asyncio.gather(*(_work(tasks, told, number, until, every_s) for number in range(options.agents)))
        spent_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_s
    told.claims_ms.sort()
    told.completions_ms.sort()
    rate, claim = told.completed / spent_s, percentile(told.claims_ms, 0.99)
    sizes = {"agents": options.agents, "waiting": options.waiting, "pace": options.pace}
    goal = min(COMPLETIONS_A_SECOND, options.pace * 0.99) if options.pace else COMPLETIONS_A_SECOND
    _print({"figure": "completions_a_second", "value": rate, "goal": goal, "met": rate >= goal, **sizes})
    met = {"goal": CLAIM_P99_MS, "met": claim <= CLAIM_P99_MS}
    _print({"figure": "claim_p99_ms", "value": claim, "p50": percentile(told.claims_ms, 0.5), **met, **sizes})
    _print({"figure": "cpu_ms_of_one_task", "value": 1_000 * cpu_s / max(1, told.completed), **sizes})
    done = told.completions_ms
    _print({"figure": "completion_p99_ms", "value": percentile(done, 0.99), "p50": percentile(done, 0.5), **sizes})


async def _work(tasks: Tasks, told: _Told, number: int, until: float, every_s: float) -> None:
    agent = f"agent-{number}"
    due = time.perf_counter() + every_s * (number % 97) / 97
    while (now := time.perf_counter()) < until:
        if due > now:
            await asyncio.sleep(due - now)
        due += every_s
        asked = time.perf_counter()
        task = await tasks.claim_next("local", "default", agent, _CAN)
        told.claims_ms.append((time.perf_counter() - asked) * 1_000)
        if task is None:
            raise RuntimeError("no task waits: give more of them with --waiting")
        asked = time.perf_counter()
        done = tasks.complete(task.task_id, EVERYTHING, Holding(agent, task.fence), '{"ok":true}')
        await asyncio.gather(done, tasks.submit(_new(number)))
        told.completions_ms.append((time.perf_counter() - asked) * 1_000)
        told.completed += 1


def _new(number: int) -> NewTask:
    return NewTask("review", '{"text":"' + "x" * 500 + '"}', (_CAN[number % len(_CAN)],), priority=number % 10)


@asynccontextmanager
async def _tasks(url: str | None) -> AsyncIterator[Tasks]:
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings(data_dir=Path(directory), database_url=url)
        if url is None:
            await apply_pending(settings)
        database = Database.open(settings, Context.DEBATES)
        writer = TaskWriter(database, told=True)
        try:
            yield Tasks(writer, SystemClock())
        finally:
            await writer.aclose()
            await database.aclose()


def _print(figures: dict[str, object]) -> None:
    print(json.dumps(rounded(figures)), flush=True)


if __name__ == "__main__":
    main()
