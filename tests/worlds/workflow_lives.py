"""Runners of executions that are killed between any two commits: a program that forks one for each order.

    run PLACE OUTSIDE STEP WHEN     a runner of the one execution `EXECUTION` and its child, until both have ended

PLACE is the word of a `worlds.knowledge_places.Place`, OUTSIDE a directory: what the world outside knows. A process
kills itself at its commit number STEP, `before` it or `after` it; with 0 at none.

The world outside does each ask once, by its id, and writes a bill; what it began (debates, tasks) tells of its end
again and again until the process dies. The first attempts at the steps `FAILS_FIRST` fail, and those at `FAILS` always;
the first attempt at `flaky` tells that it is done after all once the second one is under way, and `slow` once nobody
waits for it any more. People answer as soon as they are asked, but for `unsigned`; they send the event `go` once, under
one id each, as clients do that try again, and have the execution go on from its last step after that has failed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from worlds.forking import serve, strike
from worlds.knowledge_places import settings_of
from worlds.workflow_runner import Published
from worlds.workflowing import READ, approval, ask, debate

from aragora.clock import SystemClock
from aragora.errors import Conflict
from aragora.scope import EVERYTHING
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.workflows.approvals import Wanted
from aragora.workflows.approving import Answerer, Word
from aragora.workflows.inbox import KeptInbox
from aragora.workflows.model import Accepted, Ask, Done, ExecutionStarted, ExecutionStatus, Failed, Reply, Verdict
from aragora.workflows.ports import Pinned
from aragora.workflows.records import Commit, NewExecution, Started
from aragora.workflows.running import runner as running
from aragora.workflows.running.children import CHILD, Children
from aragora.workflows.running.runner import RunnerPorts
from aragora.workflows.store.approvals_sql import SqlApprovals
from aragora.workflows.store.executions import ExecutionStore
from aragora.workflows.store.writer import WorkflowWriter

PROGRAM: Final = __file__
EXECUTION: Final = "exe_1"
LOOK_S: Final = 0.01
LATER: Final = frozenset({"debate", "ask", "task"})
"""What is begun, and tells of its end later."""

FAILS_FIRST: Final = frozenset({"flaky", "last"})
FAILS: Final = frozenset({"maybe", "pay"})
LATE_COST: Final = 70

PARENT: Final = READ.validate_python(
    {
        "name": "every step",
        "entry": "known",
        "steps": [
            {"type": "knowledge_search", "id": "known", "query": "?", "next": "talk"},
            debate("talk", next="which"),
            {"type": "decide", "id": "which", "branches": [{"when": "steps.talk.n > 0", "next": "both"}]},
            {"type": "parallel", "id": "both", "blocks": ["one", "sign", "unsigned"], "next": "each"},
            ask("one"),
            approval("sign"),
            approval(
                "unsigned",
                deadline_s=0.05,
                escalations=[{"approvers": ["role:admin"], "deadline_s": 0.05}],
                on={"expired": "maybe"},
            ),
            ask("maybe", optional=True),
            {"type": "map", "id": "each", "over": "['a', 'b']", "block": "of_each", "items_max": 2, "next": "again"},
            ask("of_each", question="{{ item }}"),
            {"type": "loop", "id": "again", "block": "draft", "rounds_max": 2, "next": "pause"},
            ask("draft"),
            {"type": "wait", "id": "pause", "for_s": 0.01, "next": "signal"},
            {"type": "wait", "id": "signal", "event": "go", "next": "slow"},
            debate("slow", timeout_s=0.05, optional=True, next="flaky"),
            {
                "type": "task",
                "id": "flaky",
                "task": "work",
                "retry": {"attempts": 2, "pause_s": 0.01},
                "next": "child",
            },
            {"type": "workflow", "id": "child", "workflow": "wf_child", "on": {"failed": "keep"}},
            {"type": "knowledge_write", "id": "keep", "text": "kept", "next": "tell"},
            {"type": "notify", "id": "tell", "message": "done", "next": "last"},
            ask("last"),
        ],
        "outputs": {"said": "steps.talk.n", "flaky": "steps.flaky.n", "child": "steps.child.error.code"},
    }
)
SERVING: Final = READ.validate_python(
    {
        "name": "child",
        "steps": [
            approval("sign", next="book"),
            {"type": "task", "id": "book", "task": "book", "compensate": "unbook", "next": "say"},
            debate("say", compensate="unsay", next="pay"),
            ask("pay"),
            {"type": "task", "id": "unbook", "task": "unbook"},
            {"type": "notify", "id": "unsay", "message": "unsaid"},
        ],
    }
)
PINNED: Final = {
    "wf_parent": Pinned("wf_parent", 1, "d" * 64, PARENT, ("eve",)),
    "wf_child": Pinned("wf_child", 1, "c" * 64, SERVING, ("eve",)),
}


class Definitions:
    async def pinned(self, workflow_id: str, version: int) -> Pinned:
        assert version == 1
        return PINNED[workflow_id]

    async def latest(self, org_id: str, workspace: str, workflow_id: str) -> Pinned:
        del org_id, workspace
        return PINNED[workflow_id]


class Striking(WorkflowWriter):
    """Counts commits, and dies at one of them. A start that finds its execution there is none: without it no life would
    get beyond a child that is asked for again."""

    strike_at = 0
    when = "before"
    taken = 0

    async def start(self, new: NewExecution) -> Started:
        kept = await super().start(new)
        if kept.created:
            Striking.taken += 1
            if Striking.taken == Striking.strike_at:
                strike()
        return kept

    async def commit(self, commit: Commit) -> None:
        # Counted once they are durable: of two at a time the second must not strike before the first gets on.
        if Striking.when == "before" and Striking.taken + 1 == Striking.strike_at:
            strike()
        await super().commit(commit)
        Striking.taken += 1
        if Striking.taken == Striking.strike_at:
            strike()


class World:
    """Outside: a file an ask that was done, with who waits for its end."""

    def __init__(self, path: Path, children: Children) -> None:
        self._path = path
        self._children = children

    async def do(self, asked: Ask, started: ExecutionStarted) -> Reply:
        if asked.kind == CHILD:
            return await self._children.do(asked, started)
        bill = self._path / asked.ask_id
        if not bill.exists():
            attempt = 1 + len([one for one in bills(self._path) if one.run == asked.run])
            bill.write_text(f"{started.execution_id} {asked.run} {asked.kind} {attempt}", encoding="utf-8")
        if asked.kind in LATER:
            return Accepted(asked.ask_id, f"ref_{asked.ask_id}")
        return _end(bill_of(bill))

    async def stop(self, kind: str, ref: str, started: ExecutionStarted) -> None:
        bill = bill_of(self._path / ref.removeprefix("ref_"))
        assert bill.step == "slow", f"nothing else is to be stopped: {kind} {ref} {started.execution_id}"


@dataclass(frozen=True, slots=True)
class Bill:
    """What was done for an ask."""

    ask_id: str
    execution_id: str
    run: str
    kind: str
    attempt: int

    @property
    def step(self) -> str:
        return self.run.rpartition("/")[2]


def bill_of(path: Path) -> Bill:
    execution_id, run, kind, attempt = path.read_text(encoding="utf-8").split()
    return Bill(path.name, execution_id, run, kind, int(attempt))


def bills(path: Path) -> list[Bill]:
    """All that the world outside has done, first attempts first."""
    return sorted((bill_of(one) for one in path.iterdir()), key=lambda bill: (bill.attempt, bill.ask_id))


def _end(bill: Bill) -> Reply:
    if bill.step in FAILS or (bill.step in FAILS_FIRST and bill.attempt == 1):
        return Failed(bill.ask_id, "no", "not this time", again=bill.step == "flaky", cost_micros=5)
    return Done(bill.ask_id, {"n": 1}, LATE_COST if bill.step == "slow" else 5)


async def run(place: str, outside: str, step: str, when: str) -> None:
    """See the head of this file."""
    Striking.strike_at, Striking.when, Striking.taken = int(step), when, 0
    running.WorkflowWriter = Striking  # type: ignore[misc]
    database = Database.open(settings_of(place), Context.WORKFLOWS)
    clock, definitions, path = SystemClock(), Definitions(), Path(outside)
    ports = RunnerPorts(
        definitions=definitions,
        doing=lambda engine: World(path, Children(engine, definitions, clock.now)),
        publishing=Published(),
        inbox=KeptInbox(mirrored=False, told=True),
        consumers={},
        clock=clock,
        pause_s=lambda _: LOOK_S,
    )
    runner = await running.begun(database, ports)
    store, inbox = ExecutionStore(database), SqlApprovals(database)
    started = ExecutionStarted(
        execution_id=EXECUTION,
        workflow_id="wf_parent",
        version=1,
        digest="d" * 64,
        name="every step",
        inputs={},
        started_by="ann",
        org_id="org",
        ends_at=clock.now() + 3_600.0,
    )
    if await store.record(EXECUTION) is None:
        await runner.engine.start(started, PINNED["wf_parent"])
    over = False
    while not over:
        over = await _over(store)  # after that the world outside tells all of it once more
        await _outside_world(runner, path)
        await _people(runner, inbox, store)
        await asyncio.sleep(LOOK_S)
    await runner.drain()
    await database.aclose()


async def _over(store: ExecutionStore) -> bool:
    record = await store.record(EXECUTION)
    return record is not None and record.status is ExecutionStatus.COMPLETED


async def _outside_world(runner: running.WorkflowRunner, path: Path) -> None:
    """Everything that was begun tells of its end, again."""
    known = await asyncio.to_thread(bills, path)
    runs = Counter(bill.step for bill in known)
    for bill in known:
        if bill.kind in LATER and (bill.step != "slow" or runs["flaky"]):
            reply = _end(bill)
            if bill.step == "flaky" and bill.attempt < runs["flaky"]:
                reply = Done(bill.ask_id, {"n": LATE_COST}, LATE_COST)  # an attempt that nobody waits for any more
            await runner.engine.receive(bill.execution_id, reply)


async def _people(runner: running.WorkflowRunner, inbox: SqlApprovals, store: ExecutionStore) -> None:
    page = await inbox.page(EVERYTHING, Wanted(), limit=50)
    for record in page.items:
        state = record.state
        if record.pending and state.title != "unsigned":
            word = Word(Verdict.APPROVE, digest=state.digest)
            bob = Answerer("bob", ("owner",))
            await runner.engine.answer(state.execution_id, state.approval_id, bob, word, f"of {state.approval_id}")
    record_of = await store.record(EXECUTION)
    failed = record_of is not None and record_of.status is ExecutionStatus.FAILED
    try:
        await runner.engine.signal(EXECUTION, "go", {"of": "ann"}, "signal_1", "ann")
        if failed:
            await runner.engine.retry(EXECUTION, "ann", "last", {})
    except Conflict as over:
        assert "ended" in over.message or over.code == "execution_not_failed", over.message  # noqa: PT017


if __name__ == "__main__":
    serve({"run": run})
