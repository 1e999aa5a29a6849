"""How fast the store of executions takes transitions: `python -m benchmarks.workflow_store [--seconds N] ...`.

Executions in one process, each of which commits a transition as soon as the one before it is on disk: two rows of the
journal and the execution's row, every fifth one with a message of the inbox and a row of the outbox. The store is a
SQLite file in a fresh directory, or with `--backend postgres` a PostgreSQL of its own. `--waiting` executions lie there
besides, each with a time at which it is due. Prints one JSON line for each figure, with its goal where it has one: that
of the whole engine, of which the store is a part.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from aragora.config.settings import Settings
from aragora.migrations.applying import apply_pending
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRow
from aragora.workflows.journal import rows_of
from aragora.workflows.model import ExecutionStatus, StepCompleted, StepStarted
from aragora.workflows.records import Commit, ExecutionRecord, ExecutionUpdate, Message, NewExecution
from aragora.workflows.store.executions import ExecutionStore
from aragora.workflows.store.owner import WorkflowOwner
from aragora.workflows.store.writer import WorkflowWriter
from benchmarks.figures import percentile, rounded

TRANSITIONS_A_SECOND: Final = 500.0
ALONE_MS: Final = 15.0

_OUTPUT: Final = {"answer": "x" * 500, "confidence": 0.9}
_RUNNING: Final = ExecutionUpdate(status=ExecutionStatus.RUNNING, active=True, due_at=2e9)
_LOOKS: Final = 200
_FILLED_AT_ONCE: Final = 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--executions", type=int, default=100, help="that go on at once")
    parser.add_argument("--waiting", type=int, default=10_000, help="executions that wait meanwhile")
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
    async with _store(url) as (writer, store):
        for first in range(0, options.waiting, _FILLED_AT_ONCE):
            last = min(first + _FILLED_AT_ONCE, options.waiting)
            await asyncio.gather(*(writer.start(_waiting(number)) for number in range(first, last)))
        sizes = {"waiting": options.waiting, "backend": options.backend}
        await _transitions(writer, "alone", 1, options.seconds, {**sizes, "goal_ms": ALONE_MS})
        goal = {**sizes, "goal": TRANSITIONS_A_SECOND}
        await _transitions(writer, "together", options.executions, options.seconds, goal)
        await _looks(store, sizes)


async def _transitions(
    writer: WorkflowWriter, name: str, executions: int, seconds: float, told: dict[str, object]
) -> None:
    took_ms: list[float] = []
    began, cpu_s = time.perf_counter(), time.process_time()
    ids = [f"exe_{name}_{number}" for number in range(executions)]
    await asyncio.gather(*(_execution(writer, one, began + seconds, took_ms) for one in ids))
    spent_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_s
    took_ms.sort()
    figures = {"value": len(took_ms) / spent_s, "executions": executions, "p50_ms": percentile(took_ms, 0.5)}
    p99 = {"p99_ms": percentile(took_ms, 0.99), "cpu_ms": 1_000 * cpu_s / max(1, len(took_ms))}
    _print({"figure": "transitions_a_second", **figures, **p99, **told})


async def _execution(writer: WorkflowWriter, execution_id: str, until: float, took_ms: list[float]) -> None:
    await writer.start(_new(execution_id))
    seq, number = 1, 0
    while (asked := time.perf_counter()) < until:
        number += 1
        run = f"step_{number}"
        taken: tuple[str, ...] = ()
        outbox: tuple[OutboxRow, ...] = ()
        if number % 5 == 0:
            taken = (f"{execution_id}:{number}",)
            outbox = (OutboxRow(taken[0], "notify", execution_id, "{}", 1.0),)
            await writer.post(Message(taken[0], execution_id, "signal", "{}", 1.0))
            asked = time.perf_counter()
        events = (StepCompleted(run, f"{run}:1", _OUTPUT), StepStarted(f"{run}b", run, "ask", 1, f"{run}b:1"))
        rows = rows_of(execution_id, seq + 1, 1.0, events)
        await writer.commit(Commit(execution_id, rows, _RUNNING, taken, outbox))
        took_ms.append((time.perf_counter() - asked) * 1_000)
        seq += len(rows)


async def _looks(store: ExecutionStore, told: dict[str, object]) -> None:
    """What whoever runs executions asks all the time, with everything there that the benchmark wrote."""
    took_ms: list[float] = []
    for number in range(_LOOKS):
        asked = time.perf_counter()
        await store.next_due()
        await store.due(float(number), 100)
        await store.inbox(100)
        took_ms.append((time.perf_counter() - asked) * 1_000)
    took_ms.sort()
    p50, p99 = percentile(took_ms, 0.5), percentile(took_ms, 0.99)
    _print({"figure": "look_at_what_is_due_ms", "value": p50, "p99_ms": p99, **told})


def _new(execution_id: str) -> NewExecution:
    at = 1.0
    record = ExecutionRecord(
        *(execution_id, "local", "wf_1", 1, "Release", ExecutionStatus.RUNNING, "ann"), started_at=at, updated_at=at
    )
    return NewExecution(record, rows_of(execution_id, 1, at, (StepStarted("a", "a", "ask", 1, "a:1"),)))


def _waiting(number: int) -> NewExecution:
    new = _new(f"exe_waiting_{number}")
    due_at = 100.0 + number
    return replace(
        new, record=replace(new.record, status=ExecutionStatus.WAITING, active=False, due_at=due_at, started_at=due_at)
    )


@asynccontextmanager
async def _store(url: str | None) -> AsyncIterator[tuple[WorkflowWriter, ExecutionStore]]:
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings(data_dir=Path(directory), database_url=None if url is None else SecretStr(url))
        await apply_pending(settings)
        database = Database.open(settings, Context.WORKFLOWS)
        writer = WorkflowWriter(database, tenure=await WorkflowOwner(database).advance())
        try:
            yield writer, ExecutionStore(database)
        finally:
            await writer.aclose()
            await database.aclose()


def _print(figures: dict[str, object]) -> None:
    print(json.dumps(rounded(figures)), flush=True)


if __name__ == "__main__":
    main()
