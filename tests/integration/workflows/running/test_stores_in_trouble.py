"""The store of executions is away, or does not say what became of a commit: nothing is stranded or asked twice.

W3, W4: what would be noticed only at the next start of the runner counts as lost here.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from worlds.waiting import eventually
from worlds.workflow_runner import World
from worlds.workflowing import approval, chain, debate, definition

from aragora.debate.proposition import Idempotency
from aragora.errors import Conflict, Unavailable
from aragora.ids import new_id
from aragora.scope import Scope
from aragora.storage.database import Database
from aragora.workflows.approving import Answerer, ApprovalState, Word
from aragora.workflows.model import Done, ExecutionStatus, Verdict
from aragora.workflows.reading import Written, read
from aragora.workflows.records import Commit, NewExecution, Started
from aragora.workflows.running.runner import WorkflowRunner
from aragora.workflows.starting import first_event
from aragora.workflows.store.definitions import DefinitionStore
from aragora.workflows.store.executions import ExecutionStore
from aragora.workflows.store.pinning import StoredDefinitions
from aragora.workflows.store.writer import WorkflowWriter


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    made = World(database)
    await made.begin()
    yield made
    await made.close()


def away(monkeypatch: pytest.MonkeyPatch, method: str, times: int) -> list[int]:
    """A method of the store that is away so many times; returns a list of what is left of them."""
    left, kept = [times], getattr(ExecutionStore, method)

    async def read(self: ExecutionStore, *given: Any, **more: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise Unavailable("the store is away")
        return await kept(self, *given, **more)

    monkeypatch.setattr(ExecutionStore, method, read)
    return left


def unheard(monkeypatch: pytest.MonkeyPatch, of: Callable[[Commit], bool]) -> list[str]:
    """The first commit of that kind is written, and its writer hears that the connection broke."""
    struck: list[str] = []
    kept = WorkflowWriter.commit

    async def commit(self: WorkflowWriter, unit: Commit) -> None:
        await kept(self, unit)
        if not struck and of(unit):
            struck.append(unit.execution_id)
            raise Unavailable("the connection broke")

    monkeypatch.setattr(WorkflowWriter, "commit", commit)
    return struck


def with_a(kind: str) -> Callable[[Commit], bool]:
    return lambda unit: any(row.type == kind for row in unit.rows)


async def test_a_store_that_is_away_while_executions_are_taken_up_loses_none(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W4."""
    world.outside.gives = lambda _: None
    shape = definition(*chain(debate("a"), debate("b")))
    ids = [(await world.start(shape)).record.execution_id for _ in range(20)]
    await eventually(lambda: len(world.outside.asked) == len(ids), "all are asked")
    await world.runners[-1].drain()
    world.outside.gives = lambda one: Done(one.ask_id, {})
    left = away(monkeypatch, "journal", 30)
    await world.begin()
    for execution_id in ids:
        assert (await world.ended(execution_id)).status is ExecutionStatus.COMPLETED
    assert left == [0]
    assert set(world.outside.paid.values()) == {1}


async def test_a_runner_that_cannot_begin_leaves_nothing_that_runs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def running() -> Counter[str]:
        return Counter(task.get_name() for task in asyncio.all_tasks() if "executions" in task.get_name())

    before = running()
    assert before["moments of executions"] == 1
    away(monkeypatch, "active_ids", 1)
    with pytest.raises(Unavailable):
        await world.begin()
    assert running() == before


@pytest.mark.parametrize("kind", ["approval_answered", "step_completed"])
async def test_what_follows_a_commit_that_nobody_heard_of_is_done_though_nobody_asks_again(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """W4: the person of the answer went home with a 503, and the moment of a wait does not come twice."""
    struck = unheard(monkeypatch, with_a(kind))
    waits = {"type": "wait", "id": "w", "for_s": 60}
    started = await world.start(
        definition(*chain(approval("sign") if kind == "approval_answered" else waits, debate("b")))
    )
    execution_id = started.record.execution_id
    if kind == "approval_answered":
        with pytest.raises(Unavailable):
            await world.approve(execution_id)
    else:
        world.clock.pass_(60.0)
        await world.engine.wake_due()
    assert (await world.ended(execution_id)).status is ExecutionStatus.COMPLETED
    assert struck == [execution_id]
    assert [one.step for one in world.outside.asked] == ["b"]


async def test_an_answer_that_comes_while_its_execution_is_read_again_is_not_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit of one answer is unheard of, and the store is away when the other one comes."""
    world.outside.gives = lambda one: None if one.step == "b" else Done(one.ask_id, {})
    both = {"type": "parallel", "id": "both", "blocks": ["a", "b"], "next": "c"}
    struck = unheard(monkeypatch, with_a("step_completed"))
    left = away(monkeypatch, "record", 0)
    started = await world.start(definition(both, debate("a"), debate("b"), debate("c"), entry="both"))
    await eventually(lambda: struck, "the answer of a is written")
    left[0] = 3
    world.outside.gate.set()
    await eventually(lambda: left == [0], "the store was away")
    assert (await world.ended(started.record.execution_id)).status is ExecutionStatus.COMPLETED
    assert set(world.outside.paid.values()) == {1}


@pytest.mark.parametrize("again", [True, False])
async def test_an_execution_whose_start_nobody_heard_of_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch, *, again: bool
) -> None:
    """Whoever started it sends the request again, or the scheduler finds that something is asked."""
    kept = WorkflowWriter.start
    ids: list[str] = []

    async def start(self: WorkflowWriter, new: NewExecution) -> Started:
        outcome = await kept(self, new)
        if not ids:
            ids.append(outcome.record.execution_id)
            raise Unavailable("the connection broke")
        return outcome

    monkeypatch.setattr(WorkflowWriter, "start", start)
    key, shape = Idempotency("k", "h"), definition(debate("a"))
    with pytest.raises(Unavailable):
        await world.start(shape, key=key)
    if again:
        assert (await world.start(shape, key=key)).record.execution_id == ids[0]
    else:
        await world.engine.recover()
    assert (await world.ended(ids[0])).status is ExecutionStatus.COMPLETED
    assert list(world.outside.paid.values()) == [1]


async def test_a_runner_that_leaves_waits_for_no_store(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """W3: what it could not write is as if it had never been said, and the next one is told again."""

    async def commit(_: WorkflowWriter, __: Commit) -> None:
        tried.append(1)
        raise Unavailable("the store is away")

    tried: list[int] = []
    with monkeypatch.context() as patched:
        patched.setattr(WorkflowWriter, "commit", commit)
        execution_id = (await world.start(definition(*chain(approval("sign"), debate("b"))))).record.execution_id
        answer = asyncio.ensure_future(world.approve(execution_id))
        await eventually(lambda: tried, "the answer is written")
        await world.runners[-1].drain()
        with pytest.raises(Unavailable):
            await answer
    await world.begin()
    await world.approve(execution_id)
    assert (await world.ended(execution_id)).status is ExecutionStatus.COMPLETED


async def test_two_owners_that_take_up_the_same_executions_at_once_ask_each_step_once(world: World) -> None:
    """W2: the loser writes nothing, and steps down. Asks of both have one id, by which what is outside knows them."""
    world.outside.gives = lambda _: None
    shape = definition(*chain(debate("a"), debate("b"), debate("c")))
    ids = [(await world.start(shape)).record.execution_id for _ in range(30)]
    await eventually(lambda: len(world.outside.asked) == len(ids), "all are asked")
    await world.runners[-1].drain()
    world.outside.gives = lambda one: Done(one.ask_id, {})
    first, second = await asyncio.gather(world.begin(), world.begin())
    for execution_id in ids:
        assert (await world.ended(execution_id)).status is ExecutionStatus.COMPLETED
    assert set(Counter(one.ask_id for one in world.outside.asked).values()) <= {1, 2, 3}
    assert len(world.outside.paid) == 3 * len(ids)
    for execution_id in ids:
        rows = await world.store.journal(execution_id)
        assert len(rows) == len(set(rows)) == (await world.record(execution_id)).last_seq
        assert sum('"step_started"' in row for row in rows) == 3
    loser: WorkflowRunner = min(first, second, key=lambda one: not one.engine.stepped_down)
    assert loser.engine.stepped_down
    before = [await world.store.journal(one) for one in ids]
    for execution_id in ids:
        with pytest.raises(Unavailable):
            await loser.engine.cancel(execution_id, "ann")
    assert [await world.store.journal(one) for one in ids] == before


async def said(world: World, execution_id: str, asked: ApprovalState) -> None:
    """A yes, as soon as there is a runner that takes it."""
    word, bob = Word(Verdict.APPROVE, digest=asked.digest), Answerer("bob", ("owner",))

    async def taken() -> bool:
        try:
            await world.engine.answer(execution_id, asked.approval_id, bob, word, "a")
        except Unavailable:
            return False
        return True

    await eventually(taken, "there is a runner", pause_s=0.0)


async def test_a_deadline_that_passed_while_nobody_was_there_comes_before_any_answer(world: World) -> None:
    """W25: also where the first thing that the next runner hears is a yes."""
    shape = definition(
        approval("sign", deadline_s=60, on={"expired": "late"}, next="signed"), debate("late"), debate("signed")
    )
    execution_id = (await world.start(shape)).record.execution_id
    asked = (await world.pending(execution_id)).state
    await world.runners[-1].drain()
    world.clock.pass_(60.0)
    with pytest.raises(Conflict) as refused:
        await asyncio.gather(world.begin(), said(world, execution_id, asked))
    assert refused.value.code == "expired"
    assert (await world.ended(execution_id)).status is ExecutionStatus.COMPLETED
    assert [one.step for one in world.outside.asked] == ["late"]


async def test_an_execution_goes_on_with_the_version_that_it_began_with(world: World) -> None:
    """W5: also where a later version was saved while it waited, and another process runs it now."""
    store = DefinitionStore(world.database, world.clock)

    def version(after: str) -> Written:
        steps = [approval("sign", next=after), {"id": after, "type": "ask", "question": f"{after}?"}]
        return read({"name": "versions", "steps": steps})

    head = await store.create("org", "default", "eve", version("first"))
    definitions: Any = StoredDefinitions(store)
    world.definitions = definitions
    await world.begin()

    async def began() -> str:
        pinned = await definitions.latest("org", "default", head.workflow_id)
        event = first_event(
            pinned,
            {},
            execution_id=new_id("exe"),
            started_by="ann",
            org_id="org",
            workspace="default",
            now=world.clock.now(),
        )
        return (await world.engine.start(event, pinned)).record.execution_id

    old = await began()
    await world.pending(old)
    await store.change(head.workflow_id, Scope("org", None), "eve", version("second"), version=1)
    new = await began()
    await world.runners[-1].drain()
    world.definitions = StoredDefinitions(store)  # type: ignore[assignment]  # as another process reads them
    await world.begin()
    for execution_id in (old, new):
        await world.approve(execution_id)
        assert (await world.ended(execution_id)).status is ExecutionStatus.COMPLETED
    assert [one.step for one in world.outside.asked] == ["first", "second"]
    assert [(await world.record(one)).version for one in (old, new)] == [1, 2]
