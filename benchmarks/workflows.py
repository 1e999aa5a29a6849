"""How the runner of executions carries its load: `python -m benchmarks.workflows [--waiting N] [--timers N] ...`.

One process, a store in a fresh directory (SQLite, synchronous FULL) or a PostgreSQL of its own; what steps ask for is
done at once. Figures, one JSON line each, with its goal:

    waiting      executions that wait for a person: memory of the process, and the start of the next runner beside them
    transitions  ended steps a second of executions that run at a time
    resolve      from a person's answer to the next step's ask
    timers       moments that fall due within a span: how late they come, whether one comes early or twice
    long         one execution of many steps, and one of a quarter of them: how fast it runs, the start of the next
                 runner with it, what a look at it and its receipt take; `held_ms`: for so long the event loop did not
                 come round (`floor_ms`: while another thread of the process counts)
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr, TypeAdapter

from actors.virtual import collect_seldom
from aragora.clock import SystemClock
from aragora.config.settings import Settings
from aragora.debate.records import Certification, ChainHead, ReceiptRecord
from aragora.ids import new_id
from aragora.migrations.applying import apply_pending
from aragora.receipts.signing import Signer, load_signer
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.workflows.approval_content import digest_of
from aragora.workflows.approving import Answerer, Word
from aragora.workflows.definition import Approval, Definition
from aragora.workflows.inbox import KeptInbox
from aragora.workflows.journal import JournalRow
from aragora.workflows.machine.beginning import ask_id_of
from aragora.workflows.model import Ask, Done, ExecutionStarted, ExecutionStatus, Reply, Verdict
from aragora.workflows.outline import outlined
from aragora.workflows.ports import Pinned
from aragora.workflows.proving import ChainProofs
from aragora.workflows.references import read_all
from aragora.workflows.replaying import Looking
from aragora.workflows.running.runner import RunnerPorts, WorkflowRunner, begun
from aragora.workflows.store.executions import ExecutionStore
from benchmarks.figures import percentile, rounded

MEMORY_MB: Final = 100.0
READY_S: Final = 15.0
STEPS_A_SECOND: Final = 500.0
RESOLVE_MS: Final = 100.0
LATE_S: Final = 1.0
LONG_S: Final = 2.0
_AT_ONCE: Final = 500
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--waiting", type=int, default=50_000, help="executions that wait for a person")
    parser.add_argument("--executions", type=int, default=100, help="that run at a time")
    parser.add_argument("--steps", type=int, default=20, help="of each of these")
    parser.add_argument("--answers", type=int, default=300, help="of people")
    parser.add_argument("--timers", type=int, default=10_000)
    parser.add_argument("--span", type=float, default=60.0, help="seconds within which the timers fall due")
    parser.add_argument("--long", type=int, default=20_000, help="steps of the long execution")
    parser.add_argument("--backend", choices=("sqlite", "postgres"), default="sqlite")
    options = parser.parse_args()
    collect_seldom()  # as the runner's process does
    gc.freeze()
    with _database(options.backend) as url:
        asyncio.run(_run(options, url))


def _database(backend: str) -> AbstractContextManager[str | None]:
    """The URL of a PostgreSQL of its own; None for SQLite."""
    if backend == "sqlite":
        return nullcontext()
    from benchmarks.system import postgres  # noqa: PLC0415  it loads Ray

    return postgres()


async def _run(options: argparse.Namespace, url: str | None) -> None:
    async with _stored(url) as database:
        world = _World(database)
        told = {"backend": options.backend}
        await world.begin()
        await _transitions(world, options, told)
        await _waiting(world, options, told)
        await _resolve(world, options, told)
        await _timers(world, options, told)
        for steps in (options.long // 4, options.long):
            await _long(world, steps, told)
        await world.runner.drain()


async def _transitions(world: _World, options: argparse.Namespace, told: dict[str, object]) -> None:
    ids = [f"s{number}" for number in range(options.steps)]
    steps = [
        {"type": "ask", "id": one, "question": "?", "next": after}
        for one, after in zip(ids, [*ids[1:], None], strict=True)
    ]
    pinned = world.pin("chain", steps)
    began = time.perf_counter()
    await asyncio.gather(*(world.start(pinned) for _ in range(options.executions)))
    await world.asked_so_often("s", options.executions * options.steps)
    seconds = time.perf_counter() - began
    value = options.executions * options.steps / seconds
    _print(
        {"figure": "steps_a_second", "value": value, "executions": options.executions, "goal": STEPS_A_SECOND, **told}
    )


async def _waiting(world: _World, options: argparse.Namespace, told: dict[str, object]) -> None:
    pinned = world.pin("sign", _SIGNED)
    before = _rss_mb()
    for first in range(0, options.waiting, _AT_ONCE):
        last = min(first + _AT_ONCE, options.waiting)
        world.waiting += await asyncio.gather(*(world.start(pinned) for _ in range(first, last)))
    grown = _rss_mb() - before
    in_memory = world.runner.engine.in_memory
    _print({"figure": "memory_of_waiting_mb", "value": grown, "executions": options.waiting, "in_memory": in_memory}
           | {"goal": MEMORY_MB, **told})  # fmt: skip
    began = time.perf_counter()
    await world.runner.drain()
    await world.begin()
    await world.answer(world.waiting.pop())
    _print({"figure": "next_runner_answers_s", "value": time.perf_counter() - began, "goal": READY_S, **told})


async def _resolve(world: _World, options: argparse.Namespace, told: dict[str, object]) -> None:
    took_ms: list[float] = []
    for _ in range(options.answers):
        execution_id = world.waiting.pop()
        asked = asyncio.Event()
        world.outside.heard[execution_id] = asked
        began = time.perf_counter()
        await world.answer(execution_id)
        await asked.wait()
        took_ms.append((time.perf_counter() - began) * 1_000)
    took_ms.sort()
    _print({"figure": "answer_to_next_ask_ms", "value": percentile(took_ms, 0.99), "p50": percentile(took_ms, 0.5)}
           | {"goal": RESOLVE_MS, **told})  # fmt: skip


async def _timers(world: _World, options: argparse.Namespace, told: dict[str, object]) -> None:
    lead_s = 5.0 + options.timers / 1_000
    first = time.time() + lead_s
    moments = [first + options.span * number / options.timers for number in range(options.timers)]
    pinned = world.pin("timer", _TIMED, inputs={"at": {"type": "number"}})
    due: dict[str, float] = {}
    for start in range(0, options.timers, _AT_ONCE):
        part = moments[start : start + _AT_ONCE]
        ids = await asyncio.gather(*(world.start(pinned, {"at": at}) for at in part))
        due |= dict(zip(ids, part, strict=True))
    await world.asked_so_often("after", options.timers)
    late = sorted(world.outside.at[one] - at for one, at in due.items())
    twice = sum(count - 1 for key, count in world.outside.counts.items() if key[1] == "after")
    figures = {"value": percentile(late, 0.99), "p50": percentile(late, 0.5), "most": late[-1]}
    early = sum(one < 0.0 for one in late)
    _print({"figure": "timers_late_s", **figures, "early": early, "twice": twice, "timers": options.timers}
           | {"span_s": options.span, "goal": LATE_S, **told})  # fmt: skip


async def _long(world: _World, steps: int, told: dict[str, object]) -> None:
    rounds = 20
    pinned = world.pin("long", _LONG, entry="again", inputs={"texts": {"type": "list"}})
    texts = [f"This is text number {number}, which is to be read." for number in range((steps - 40) // rounds)]
    async with _held() as floor:
        await asyncio.to_thread(_count, 2.0)
    told = {**told, "floor_ms": floor.most_ms}
    async with _held() as held:
        before, began = world.outside.counts.total(), time.perf_counter()
        execution_id = await world.start(pinned, {"texts": texts})
        await world.waits_for_people(execution_id)
        seconds = time.perf_counter() - began
    asked = world.outside.counts.total() - before
    _print({"figure": "long_steps_a_second", "value": asked / seconds, "steps": asked, "held_ms": held.most_ms, **told})
    await world.runner.drain()
    rss = _rss_mb()
    async with _held() as held:
        began = time.perf_counter()
        await world.begin()
        await world.answer(execution_id, pinned.workflow_id)
        seconds = time.perf_counter() - began
    record = await world.store.record(execution_id)
    assert record is not None, "it was started"
    size_mb = sum(len(one) for one in await world.whole(execution_id)) / 1e6
    _print({"figure": "recover_long_s", "value": seconds, "steps": asked, "rows": record.last_seq, "journal_mb": size_mb}
           | {"grown_mb": _rss_mb() - rss, "held_ms": held.most_ms, "goal": LONG_S, **told})  # fmt: skip
    looking = Looking(world.store, world)
    took: list[float] = []
    async with _held() as held:
        for _ in range(3):
            began = time.perf_counter()
            await looking.look(record, outlined)
            took.append(time.perf_counter() - began)
    _print({"figure": "look_at_long_s", "value": took[0], "again": took[-1], "held_ms": held.most_ms, **told})
    chain = _Chain()
    async with _held() as held:
        began = time.perf_counter()
        await ChainProofs(chain, chain.signer, time.time).prove(
            execution_id, pinned.definition, await world.whole(execution_id)
        )
        seconds = time.perf_counter() - began
    _print({"figure": "receipt_of_long_s", "value": seconds, "bytes": chain.size, "held_ms": held.most_ms, **told})


def _count(for_s: float) -> None:
    until, number = time.perf_counter() + for_s, 0
    while time.perf_counter() < until:
        number += 1


class _Held:
    most_ms = 0.0


@asynccontextmanager
async def _held() -> AsyncIterator[_Held]:
    """The longest time for which the event loop did not come round."""
    held = _Held()

    async def look() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            held.most_ms = max(held.most_ms, (time.perf_counter() - began - 0.001) * 1_000)

    looking = asyncio.create_task(look())
    try:
        yield held
    finally:
        looking.cancel()


class _Chain:
    """A chain of receipts that nobody keeps."""

    def __init__(self) -> None:
        self.size = 0
        self._signer = load_signer(None, Path(tempfile.mkdtemp(prefix="aragora-key-")))

    async def signer(self) -> Signer:
        return self._signer

    async def certify(self, certification: Certification) -> ReceiptRecord:
        issued = certification.issue(ChainHead(0, ""))
        self.size += len(issued.document)
        return issued


class _Outside:
    """Does everything at once, and notes when it was asked."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.at: dict[str, float] = {}
        self.heard: dict[str, asyncio.Event] = {}
        self.next = asyncio.Event()

    async def do(self, ask: Ask, started: ExecutionStarted) -> Reply:
        self.counts[started.execution_id, ask.step] += 1
        self.at[started.execution_id] = time.time()
        heard = self.heard.pop(started.execution_id, None)
        if heard is not None:
            heard.set()
        self.next.set()
        return Done(ask.ask_id, {"answer": "Yes, that is clear enough for everybody who reads it.", "confidence": 0.8})

    async def stop(self, kind: str, ref: str, started: ExecutionStarted) -> None:
        """Nothing goes on."""


class _Unheard:
    def publish(self, execution_id: str, rows: Sequence[JournalRow]) -> None:
        """Nobody follows."""


class _World:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.store = ExecutionStore(database)
        self.outside = _Outside()
        self.waiting: list[str] = []
        self._pinned: dict[tuple[str, int], Pinned] = {}
        self.runner: WorkflowRunner

    async def begin(self) -> None:
        """The next runner."""
        ports = RunnerPorts(
            definitions=self,
            doing=lambda _: self.outside,
            publishing=_Unheard(),
            inbox=KeptInbox(mirrored=False, told=False),
            consumers={},
            clock=SystemClock(),
            pause_s=lambda _: 0.05,
        )
        self.runner = await begun(self.database, ports)

    def pin(self, name: str, steps: Sequence[dict[str, Any]], **rest: Any) -> Pinned:
        """A definition of these steps."""
        definition = TypeAdapter(Definition).validate_python({"name": name, "steps": steps, **rest})
        read_all(definition)  # as whoever reads it from its store
        pinned = Pinned(f"wf_{name}", 1, "0" * 64, definition)
        self._pinned[pinned.workflow_id, 1] = pinned
        return pinned

    async def pinned(self, workflow_id: str, version: int) -> Pinned:
        return self._pinned[workflow_id, version]

    async def latest(self, org_id: str, workspace: str, workflow_id: str) -> Pinned:
        del org_id, workspace
        return await self.pinned(workflow_id, 1)

    async def start(self, pinned: Pinned, inputs: dict[str, Any] | None = None) -> str:
        """Start an execution; returns its id."""
        started = ExecutionStarted(
            execution_id=new_id("exe"),
            workflow_id=pinned.workflow_id,
            version=1,
            digest=pinned.digest,
            name=pinned.definition.name,
            inputs=inputs or {},
            started_by="ann",
            org_id="org",
            ends_at=time.time() + pinned.definition.timeout_s,
        )
        await self.runner.engine.start(started, pinned)
        return started.execution_id

    async def answer(self, execution_id: str, workflow_id: str = "wf_sign") -> None:
        """A person approves."""
        steps = self._pinned[workflow_id, 1].definition.steps
        policy = next(step for step in steps if isinstance(step, Approval))
        approval_id = f"apr_{ask_id_of(execution_id, 'sign', 1).removeprefix('ask_')}"
        word = Word(Verdict.APPROVE, digest=digest_of("sign", policy.shows, policy))
        await self.runner.engine.answer(execution_id, approval_id, Answerer("bob", ("owner",)), word, new_id("answer"))

    async def waits_for_people(self, execution_id: str) -> None:
        """Returns once nothing but people is awaited."""
        while True:
            record = await self.store.record(execution_id)
            if record is not None and record.status is ExecutionStatus.WAITING:
                return
            await asyncio.sleep(0.05)

    async def whole(self, execution_id: str) -> list[str]:
        """The journal."""
        found: list[str] = []
        while page := await self.store.journal(execution_id, len(found), 1_000):
            found += page
        return found

    async def asked_so_often(self, beginning: str, count: int) -> None:
        """Returns once steps whose ids begin so were asked so often together."""
        outside = self.outside
        while sum(times for key, times in outside.counts.items() if key[1].startswith(beginning)) < count:
            outside.next = asyncio.Event()
            await outside.next.wait()


_SIGNED: Final = (
    {"type": "approval", "id": "sign", "approvers": ["role:owner"], "deadline_s": None, "next": "next"},
    {"type": "ask", "id": "next", "question": "?"},
)
_LONG: Final = (
    {"type": "loop", "id": "again", "block": "each", "rounds_max": 20, "next": "sign"},
    {"type": "map", "id": "each", "over": "inputs.texts", "items_max": 1_000, "at_once": 50, "block": "read"},
    {"type": "ask", "id": "read", "question": "Is {{ index }} clear? {{ item }}"},
    {**_SIGNED[0], "next": None},
)
_TIMED: Final = (
    {"type": "wait", "id": "wait", "until": "{{ inputs.at }}", "next": "after"},
    {"type": "ask", "id": "after", "question": "?"},
)


@asynccontextmanager
async def _stored(url: str | None) -> AsyncIterator[Database]:
    with tempfile.TemporaryDirectory(prefix="aragora-workflows-") as directory:
        settings = Settings(data_dir=Path(directory), database_url=None if url is None else SecretStr(url))
        await apply_pending(settings)
        database = Database.open(settings, Context.WORKFLOWS)
        try:
            yield database
        finally:
            await database.aclose()


def _rss_mb() -> float:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE / 1e6


def _print(figures: dict[str, object]) -> None:
    print(json.dumps(rounded(figures)), flush=True)


if __name__ == "__main__":
    main()
