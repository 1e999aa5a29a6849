"""How fast tasks are given out and completed: `python -m benchmarks.control_plane [--seconds N] [--agents N] ...`.

Agents in one process claim the next task, complete it, and submit another one in its place, against a SQLite file in a
fresh directory, or with `--backend postgres` a PostgreSQL of its own. Each completion is on disk, with its outbox row.
With `--learning` another process learns from these rows meanwhile, as a server does: then what waits for it at the end
is told, and how long it takes to learn from that. Prints one JSON line for each figure, with its goal and whether it is
met. Without `--pace` the agents go as fast as they can, and a claim's time is mostly that of the queue before it; with
`--pace N` together they complete N tasks a second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from aragora.background import wait_until
from aragora.clock import SystemClock
from aragora.config.settings import Settings
from aragora.control_plane.model import Holding, NewTask
from aragora.control_plane.outcomes import TOPIC
from aragora.control_plane.store.writer import TaskWriter
from aragora.control_plane.tasking import Tasks
from aragora.migrations.applying import apply_pending
from aragora.scope import EVERYTHING
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox_store import OutboxStore
from benchmarks.figures import percentile, rounded
from benchmarks.task_learner import learner

COMPLETIONS_A_SECOND: Final = 1_000.0
CLAIM_P99_MS: Final = 10.0

LEARNT_EVERY_S: Final = 0.1
LEARNT_WITHIN_S: Final = 120.0

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
    parser.add_argument("--failing", type=int, default=0, help="every how many-th attempt fails; 0: none does")
    parser.add_argument("--learning", action="store_true", help="another process learns from what comes of tasks")
    parser.add_argument("--backend", choices=("sqlite", "postgres"), default="sqlite")
    options = parser.parse_args()
    with _database(options.backend) as url:
        asyncio.run(_run(options, url))


def _database(backend: str) -> AbstractContextManager[str | None]:
    """The URL of a PostgreSQL of its own; None for SQLite."""
    if backend == "sqlite":
        return nullcontext()
    from benchmarks.system import postgres  # noqa: PLC0415  it loads Ray

    return postgres()


async def _run(options: argparse.Namespace, url: str | None) -> None:
    async with _tasks(url) as (tasks, database, settings), _beside(settings, options):
        await asyncio.gather(*(tasks.submit(_new(number)) for number in range(options.waiting)))
        told = _Told()
        began, cpu_s = time.perf_counter(), time.process_time()
        until = began + options.seconds
        every_s = options.agents / options.pace if options.pace else 0.0
        await asyncio.gather(
            *(_work(tasks, told, number, until, every_s, options.failing) for number in range(options.agents))
        )
        spent_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_s
        if options.learning:
            await _tell_learnt(OutboxStore(database))
    told.claims_ms.sort()
    told.completions_ms.sort()
    rate, claim = told.completed / spent_s, percentile(told.claims_ms, 0.99)
    sizes = {"agents": options.agents, "waiting": options.waiting, "pace": options.pace, "backend": options.backend}
    goal = min(COMPLETIONS_A_SECOND, options.pace * 0.99) if options.pace else COMPLETIONS_A_SECOND
    _print({"figure": "completions_a_second", "value": rate, "goal": goal, "met": rate >= goal, **sizes})
    met = {"goal": CLAIM_P99_MS, "met": claim <= CLAIM_P99_MS}
    _print({"figure": "claim_p99_ms", "value": claim, "p50": percentile(told.claims_ms, 0.5), **met, **sizes})
    _print({"figure": "cpu_ms_of_one_task", "value": 1_000 * cpu_s / max(1, told.completed), **sizes})
    done = told.completions_ms
    _print({"figure": "completion_p99_ms", "value": percentile(done, 0.99), "p50": percentile(done, 0.5), **sizes})


async def _work(tasks: Tasks, told: _Told, number: int, until: float, every_s: float, failing: int) -> None:  # noqa: PLR0917
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
        holding, done = Holding(agent, task.fence), told.completed
        if failing and done % failing == failing - 1:
            why = f"the reviewer of kind {done % 100} did not answer"
            ended = tasks.fail(task.task_id, EVERYTHING, holding, why, again=False)
        else:
            ended = tasks.complete(task.task_id, EVERYTHING, holding, '{"ok":true}')
        await asyncio.gather(ended, tasks.submit(_new(number)))
        told.completions_ms.append((time.perf_counter() - asked) * 1_000)
        told.completed += 1


async def _tell_learnt(outbox: OutboxStore) -> None:
    """Print what waits to be learnt from, and how long that takes."""
    waiting, began = await outbox.count(TOPIC), time.perf_counter()

    async def all_learnt() -> bool:
        return await outbox.count(TOPIC) == 0

    await wait_until(all_learnt, limit_s=LEARNT_WITHIN_S, every_s=LEARNT_EVERY_S)
    _print({"figure": "waits_to_be_learnt_from", "value": waiting, "learnt_within_s": time.perf_counter() - began})


def _beside(settings: Settings, options: argparse.Namespace) -> AbstractAsyncContextManager[None]:
    return learner(settings) if options.learning else nullcontext()


def _new(number: int) -> NewTask:
    return NewTask("review", '{"text":"' + "x" * 500 + '"}', (_CAN[number % len(_CAN)],), priority=number % 10)


@asynccontextmanager
async def _tasks(url: str | None) -> AsyncIterator[tuple[Tasks, Database, Settings]]:
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings(data_dir=Path(directory), database_url=None if url is None else SecretStr(url))
        await apply_pending(settings)
        database = Database.open(settings, Context.DEBATES)
        writer = TaskWriter(database, told=True)
        try:
            yield Tasks(writer, SystemClock()), database, settings
        finally:
            await writer.aclose()
            await database.aclose()


def _print(figures: dict[str, object]) -> None:
    print(json.dumps(rounded(figures)), flush=True)


if __name__ == "__main__":
    main()
