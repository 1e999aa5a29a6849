"""Runners of executions that are killed between any two commits: a program that forks one for each order.

    run PLACE OUTSIDE STEP WHEN     a runner of the one execution `EXECUTION` and its child, until both have ended

PLACE is the word of a `worlds.knowledge_places.Place`, OUTSIDE a directory: what the world outside knows. A process
kills itself at its commit number STEP, `before` it or `after` it; with 0 at none.

The world outside does each ask once, by its id, and writes a bill; what it began (debates, tasks) tells of its end
again and again until the process dies. People answer as soon as they are asked, and send the event `go` once, under one
id each, as clients do that try again.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from worlds.forking import serve, strike
from worlds.knowledge_places import settings_of
from worlds.workflow_runner import Published
from worlds.workflowing import READ, approval, ask, debate

from aragora.clock import SystemClock
from aragora.errors import AragoraError
from aragora.scope import EVERYTHING
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.workflows.approvals import Wanted
from aragora.workflows.approving import Answerer, Word
from aragora.workflows.inbox import KeptInbox
from aragora.workflows.model import Accepted, Ask, Done, ExecutionStarted, Reply, Verdict
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

PARENT: Final = READ.validate_python(
    {
        "name": "every step",
        "entry": "known",
        "steps": [
            {"type": "knowledge_search", "id": "known", "query": "?", "next": "talk"},
            debate("talk", compensate="undo", next="which"),
            {"type": "decide", "id": "which", "branches": [{"when": "steps.talk.n > 0", "next": "both"}]},
            {"type": "parallel", "id": "both", "blocks": ["one", "sign"], "next": "each"},
            ask("one"),
            approval("sign"),
            {"type": "map", "id": "each", "over": "['a', 'b']", "block": "of_each", "items_max": 2, "next": "again"},
            ask("of_each", question="{{ item }}"),
            {"type": "loop", "id": "again", "block": "draft", "rounds_max": 2, "next": "pause"},
            ask("draft"),
            {"type": "wait", "id": "pause", "for_s": 0.01, "next": "signal"},
            {"type": "wait", "id": "signal", "event": "go", "next": "child"},
            {"type": "workflow", "id": "child", "workflow": "wf_child", "next": "work"},
            {"type": "task", "id": "work", "task": "work", "next": "keep"},
            {"type": "knowledge_write", "id": "keep", "text": "kept", "next": "tell"},
            {"type": "notify", "id": "tell", "message": "done"},
            {"type": "task", "id": "undo", "task": "undo"},
        ],
        "outputs": {"said": "steps.talk.n", "child": "steps.child.outputs.said"},
    }
)
SERVING: Final = READ.validate_python(
    {"name": "child", "steps": [approval("sign", next="say"), debate("say")], "outputs": {"said": "steps.say.n"}}
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
        bill.write_text(f"{started.execution_id} {asked.run} {asked.kind}", encoding="utf-8")
        if asked.kind in LATER:
            return Accepted(asked.ask_id, f"ref_{asked.ask_id}")
        return Done(asked.ask_id, {"n": 1}, 5)

    async def stop(self, kind: str, ref: str, started: ExecutionStarted) -> None:
        raise AssertionError(f"nothing is to be stopped: {kind} {ref} {started.execution_id}")


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
    while not await _over(store):
        await _outside_world(runner, path)
        await _people(runner, inbox)
        await asyncio.sleep(LOOK_S)
    await runner.drain()
    await database.aclose()


async def _over(store: ExecutionStore) -> bool:
    record = await store.record(EXECUTION)
    return record is not None and record.status.ended


async def _outside_world(runner: running.WorkflowRunner, path: Path) -> None:
    """Everything that was begun tells of its end, again."""
    for bill in sorted(await asyncio.to_thread(lambda: list(path.iterdir()))):
        execution_id, _, kind = bill.read_text(encoding="utf-8").split()
        if kind in LATER:
            await runner.engine.receive(execution_id, Done(bill.name, {"n": 1}, 5))


async def _people(runner: running.WorkflowRunner, inbox: SqlApprovals) -> None:
    page = await inbox.page(EVERYTHING, Wanted(), limit=50)
    for record in page.items:
        state = record.state
        if record.pending:
            word = Word(Verdict.APPROVE, digest=state.digest)
            bob = Answerer("bob", ("owner",))
            await runner.engine.answer(state.execution_id, state.approval_id, bob, word, f"of {state.approval_id}")
    try:
        await runner.engine.signal(EXECUTION, "go", {"of": "ann"}, "signal_1", "ann")
    except AragoraError as over:
        assert "ended" in over.message, over.message  # noqa: PT017  it may have ended by now


if __name__ == "__main__":
    serve({"run": run})
