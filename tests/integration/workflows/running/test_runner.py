"""Executions at work over a real store: what is asked, crashes, moments, people, messages between executions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from worlds.waiting import eventually
from worlds.workflow_runner import World, accepted, away
from worlds.workflowing import approval, ask, chain, debate, definition

from aragora.debate.proposition import Idempotency
from aragora.errors import Conflict, NotFound, Unavailable
from aragora.scope import EVERYTHING
from aragora.storage.database import Database
from aragora.supervision import LOOPS, PATIENCE
from aragora.workflows import journal
from aragora.workflows.approving import Answerer, Word
from aragora.workflows.definition import Definition
from aragora.workflows.model import (
    Accepted,
    ApprovalStatus,
    Ask,
    Done,
    ExecutionStarted,
    ExecutionStatus,
    Failed,
    Verdict,
)
from aragora.workflows.ports import Pinned
from aragora.workflows.starting import first_event


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    made = World(database)
    await made.begin()
    yield made
    await made.close()


async def kinds(world: World, execution_id: str) -> list[str]:
    events = journal.events_of(await world.store.journal(execution_id))
    return [type(event).__name__ for event in events]


async def test_an_execution_runs_to_its_end_and_its_row_says_so(world: World) -> None:
    world.outside.gives = lambda one: Done(one.ask_id, {"answer": one.what["question"]}, 5)
    shape = definition(*chain(debate("a", question="A {{ inputs.x }}?"), ask("b")), outputs={"a": "steps.a.answer"})
    started = await world.start(shape, {"x": "1"})
    record = await world.ended(started.record.execution_id)
    assert (record.status, record.cost_micros, record.active, record.due_at) == (
        ExecutionStatus.COMPLETED,
        10,
        False,
        None,
    )
    assert record.outputs == '{"a":"A 1?"}'
    assert set(world.published.rows) == {record.execution_id}


async def test_the_same_request_again_starts_nothing_and_another_one_is_refused(world: World) -> None:
    shape = definition(approval("sign"))
    first = await world.start(shape, key=Idempotency("k", "h"))
    again = await world.start(shape, key=Idempotency("k", "h"))
    assert (first.created, again.created) == (True, False)
    assert again.record.execution_id == first.record.execution_id
    with pytest.raises(Conflict):
        await world.start(shape, key=Idempotency("k", "other"))


async def test_what_is_away_fails_no_step(world: World) -> None:
    """A store of ours that is away is no failure of what was asked."""
    world.outside.gives = away(3)
    started = await world.start(definition(debate("a"), outputs={"a": "steps.a.answer"}))
    record = await world.ended(started.record.execution_id)
    assert (record.status, record.outputs) == (ExecutionStatus.COMPLETED, '{"a":"yes"}')
    assert len(world.outside.asked) == 4


async def test_a_waiting_execution_is_rows_and_goes_on_with_a_persons_answer(world: World) -> None:
    """W16, A1: the answer, and what follows it, are one transaction."""
    started = await world.start(definition(*chain(approval("sign"), debate("b"))))
    record = await world.record(started.record.execution_id)
    assert (record.status, record.active) == (ExecutionStatus.WAITING, False)
    await world.approve(record.execution_id)
    assert (await world.ended(record.execution_id)).status is ExecutionStatus.COMPLETED
    assert (await kinds(world, record.execution_id))[3:7] == [
        "ApprovalAnswered",
        "ApprovalClosed",
        "StepCompleted",
        "StepStarted",
    ]


async def test_a_second_answer_and_one_for_what_somebody_did_not_see_are_refused(world: World) -> None:
    """W23, A8."""
    started = await world.start(definition(approval("sign", quorum=2)))
    execution_id = started.record.execution_id
    await world.approve(execution_id)
    with pytest.raises(Conflict, match="final"):
        await world.approve(execution_id, verdict=Verdict.REJECT)
    await world.approve(execution_id)  # the same again
    assert (await world.record(execution_id)).status is ExecutionStatus.WAITING
    await world.approve(execution_id, "carol")
    assert (await world.ended(execution_id)).status is ExecutionStatus.COMPLETED


async def test_two_answers_in_the_same_moment_count_once_each(world: World) -> None:
    """A4."""
    started = await world.start(definition(approval("sign", quorum=2, veto=False)))
    execution_id = started.record.execution_id
    approval_ = (await world.pending(execution_id)).state  # all three have read it before anybody answers
    word = Word(Verdict.APPROVE, digest=approval_.digest)
    answers = (
        world.engine.answer(execution_id, approval_.approval_id, Answerer(one, ("owner",)), word, f"answer {one}")
        for one in ("bob", "carol", "dan")
    )
    said = await asyncio.gather(*answers, return_exceptions=True)
    refused = [one for one in said if isinstance(one, Conflict)]
    assert len(refused) == 1
    assert (await kinds(world, execution_id)).count("ApprovalAnswered") == 2


async def test_the_next_owner_asks_what_was_asked_again_by_the_same_id_and_nothing_else(world: World) -> None:
    """W7: an owner dies between the ask and its answer."""
    world.outside.gives = lambda one: None if one.step == "b" else Done(one.ask_id, {})
    started = await world.start(definition(*chain(debate("a"), debate("b"), debate("c"))))
    await eventually(lambda: len(world.outside.asked) == 2, "b is asked")
    world.outside.gives = lambda one: Done(one.ask_id, {})
    await world.begin()
    assert (await world.ended(started.record.execution_id)).status is ExecutionStatus.COMPLETED
    assert [one.step for one in world.outside.asked] == ["a", "b", "b", "c"]
    assert world.outside.asked[1].ask_id == world.outside.asked[2].ask_id
    assert set(world.outside.paid.values()) == {1}


def first(shape: Definition, world: World) -> tuple[ExecutionStarted, Pinned]:
    """What an execution of a definition begins with."""
    pinned = world.definitions.add("wf_2", shape)
    return first_event(
        pinned, {}, execution_id="exe_new", started_by="ann", org_id="org", workspace="default", now=world.clock.now()
    ), pinned


async def test_an_owner_that_was_succeeded_writes_nothing_and_says_so(world: World) -> None:
    """W2, W3: the loser of two owners writes nothing; what it was told may be told to the other."""
    started = await world.start(definition(*chain(approval("sign"), debate("b"))))
    old = world.engine
    await world.begin()
    before = (await world.record(started.record.execution_id)).last_seq
    event, pinned = first(definition(approval("sign")), world)
    with pytest.raises(Unavailable):
        await old.start(event, pinned)
    with pytest.raises(Unavailable):
        await old.cancel(started.record.execution_id, "ann")
    assert (await world.record(started.record.execution_id)).last_seq == before
    await world.approve(started.record.execution_id)
    assert (await world.ended(started.record.execution_id)).status is ExecutionStatus.COMPLETED
    with pytest.raises(Unavailable):
        await old.pause(started.record.execution_id, "ann")


async def test_an_answer_that_comes_later_counts_once_however_often_it_is_told(world: World) -> None:
    world.outside.gives = accepted("deb")
    started = await world.start(definition(debate("a")))
    execution_id = started.record.execution_id
    await eventually(lambda: world.outside.asked, "it is asked")
    asked: Ask = world.outside.asked[0]

    async def is_accepted() -> bool:
        return "StepAccepted" in await kinds(world, execution_id)

    await eventually(is_accepted, "it is accepted")
    assert (await world.record(execution_id)).active is False
    for _ in range(3):
        await world.engine.receive(execution_id, Done(asked.ask_id, {"answer": "x"}, 3))
    record = await world.ended(execution_id)
    assert record.cost_micros == 3
    await world.engine.receive("exe_nobody", Done(asked.ask_id, {}))


async def test_an_answer_may_come_before_its_acceptance_is_written(world: World) -> None:
    world.outside.gives = lambda _: None
    started = await world.start(definition(debate("a")))
    await eventually(lambda: world.outside.asked, "it is asked")
    await world.engine.receive(started.record.execution_id, Done(world.outside.asked[0].ask_id, {}))
    assert (await world.ended(started.record.execution_id)).status is ExecutionStatus.COMPLETED
    world.outside.gate.set()


async def test_what_a_cancelled_execution_had_begun_is_stopped_also_by_the_next_owner(world: World) -> None:
    """W9."""
    world.outside.gives = accepted("deb")
    started = await world.start(definition(debate("a")))
    execution_id = started.record.execution_id

    async def is_accepted() -> bool:
        return "StepAccepted" in await kinds(world, execution_id)

    await eventually(is_accepted, "it is accepted")
    standing = await world.engine.cancel(execution_id, "ann")
    assert standing.status is ExecutionStatus.CANCELLED
    await eventually(lambda: world.outside.stopped == ["deb_a"], "it is stopped")
    await world.begin()
    await eventually(lambda: world.outside.stopped == ["deb_a", "deb_a"], "the next owner makes sure")
    await world.engine.receive(
        execution_id, Failed(world.outside.asked[0].ask_id, "cancelled", "", again=False, cost_micros=9)
    )
    record = await world.record(execution_id)
    assert (record.cost_micros, record.active) == (9, False)


async def test_something_begun_for_a_step_that_nobody_waits_for_any_more_is_stopped(world: World) -> None:
    world.outside.gives = lambda _: None  # until the gate opens
    world.outside.then = accepted("deb")
    started = await world.start(definition(debate("a")))
    await eventually(lambda: world.outside.asked, "it is asked")
    await world.engine.cancel(started.record.execution_id, "ann")
    world.outside.gate.set()
    await eventually(lambda: world.outside.stopped == ["deb_a"], "it is stopped")


async def test_moments_come_when_they_are_due_and_none_early(world: World) -> None:
    started = await world.start(definition({"type": "wait", "id": "w", "for_s": 3_600}))
    execution_id = started.record.execution_id
    world.clock.pass_(3_599.0)
    assert await world.engine.wake_due() == 0
    world.clock.pass_(1.0)
    await world.engine.wake_due()
    assert (await world.ended(execution_id)).status is ExecutionStatus.COMPLETED


async def test_a_clock_that_is_set_back_brings_nothing_twice_and_delays_nothing(world: World) -> None:
    started = await world.start(definition({"type": "wait", "id": "w", "for_s": 60}))
    world.clock.wall -= 3_600.0
    world.clock.mono += 60.0
    await world.engine.wake_due()
    assert (await world.ended(started.record.execution_id)).status is ExecutionStatus.COMPLETED
    assert await world.engine.wake_due() == 0


async def test_what_fell_due_while_nobody_was_there_happens_at_the_next_start(world: World) -> None:
    """W25."""
    shape = definition(approval("sign", deadline_s=60, on={"expired": "late"}), debate("late"))
    started = await world.start(shape)
    await world.runners[-1].drain()
    world.clock.pass_(3_600.0)
    await world.begin()
    assert (await world.ended(started.record.execution_id)).status is ExecutionStatus.COMPLETED
    assert [one.step for one in world.outside.asked] == ["late"]


async def test_a_command_is_durable_when_it_is_answered(world: World) -> None:
    """W27: the status that comes back is the one in the journal."""
    started = await world.start(definition(approval("sign")))
    execution_id = started.record.execution_id
    for act, expected in (
        (world.engine.pause, ExecutionStatus.PAUSED),
        (world.engine.resume, ExecutionStatus.WAITING),
        (world.engine.cancel, ExecutionStatus.CANCELLED),
    ):
        standing = await act(execution_id, "ann")
        record = await world.record(execution_id)
        assert (standing.status, standing.seq) == (record.status, record.last_seq)
        assert record.status is expected
    with pytest.raises(NotFound):
        await world.engine.pause("exe_nobody", "ann")


async def test_an_approval_of_an_execution_that_ends_is_closed_in_the_inbox(world: World) -> None:
    started = await world.start(definition(approval("sign")))
    record = await world.pending(started.record.execution_id)
    await world.engine.cancel(started.record.execution_id, "ann")
    known = await world.approvals.get(EVERYTHING, record.approval_id)
    assert known.state.status is ApprovalStatus.CLOSED
    word = Word(Verdict.APPROVE, digest=record.state.digest)
    with pytest.raises(Conflict, match="not awaited any more"):
        await world.engine.answer(record.state.execution_id, record.approval_id, Answerer("bob", ("owner",)), word, "a")


async def test_a_child_ends_and_its_parent_goes_on_with_what_it_gave(world: World) -> None:
    """W22: also where the child waits for a person."""
    child = definition(*chain(approval("sign"), debate("talk")), outputs={"y": "steps.talk.y"}, inputs={"n": {}})
    world.definitions.add("wf_2", child)
    world.outside.gives = lambda one: Done(one.ask_id, {"y": one.what["question"]}, 7)
    step = {"type": "workflow", "id": "child", "workflow": "wf_2", "inputs": {"n": "{{ inputs.n }}"}}
    parent = await world.start(definition(step, outputs={"x": "steps.child.outputs.y"}), {"n": "5"})
    (child_id,) = await eventually(world.children, "the child begins")
    await world.approve(child_id)
    record = await world.ended(parent.record.execution_id)
    assert (record.status, record.outputs, record.cost_micros) == (
        ExecutionStatus.COMPLETED,
        '{"x":"What of talk?"}',
        7,
    )
    assert (await world.record(child_id)).parent == parent.record.execution_id
    assert await world.store.inbox() == []


async def test_what_a_parent_started_is_cancelled_with_it(world: World) -> None:
    world.definitions.add("wf_2", definition(approval("sign")))
    parent = await world.start(definition({"type": "workflow", "id": "child", "workflow": "wf_2"}))
    (child_id,) = await eventually(world.children, "the child begins")
    await world.engine.cancel(parent.record.execution_id, "ann")
    assert (await world.ended(child_id)).status is ExecutionStatus.CANCELLED


async def test_a_child_that_ends_while_nobody_is_there_is_heard_at_the_next_start(world: World) -> None:
    world.definitions.add("wf_2", definition({"type": "wait", "id": "w", "for_s": 60}))
    parent = await world.start(definition({"type": "workflow", "id": "child", "workflow": "wf_2"}))
    await eventually(world.children, "the child begins")
    await world.runners[-1].drain()
    world.clock.pass_(60.0)
    await world.begin()
    assert (await world.ended(parent.record.execution_id)).status is ExecutionStatus.COMPLETED


async def test_an_execution_whose_definition_is_gone_says_so_and_the_others_go_on(world: World) -> None:
    started = await world.start(definition(approval("sign")))
    other = await world.start(definition(approval("sign")), workflow_id="wf_2")
    world.definitions.kept.pop(("wf_1", 1))
    await world.begin()
    with pytest.raises((NotFound, Conflict)):
        await world.approve(started.record.execution_id)
    await world.approve(other.record.execution_id)
    assert (await world.ended(other.record.execution_id)).status is ExecutionStatus.COMPLETED


async def test_many_executions_at_once_each_come_to_their_own_end(world: World) -> None:
    """W29."""
    world.outside.gives = lambda one: Done(one.ask_id, {"n": one.what["question"]})
    shape = definition(
        *chain(*(debate(f"s{number}", question="{{ inputs.n }}") for number in range(5))), outputs={"n": "steps.s4.n"}
    )
    started = await asyncio.gather(*(world.start(shape, {"n": str(number)}) for number in range(100)))
    for number, one in enumerate(started):
        record = await world.ended(one.record.execution_id)
        assert record.outputs == f'{{"n":"{number}"}}'
    assert set(world.outside.paid.values()) == {1}


async def test_accepted_is_no_reply_of_its_own(world: World) -> None:
    """An acceptance that comes twice, or after its answer, changes nothing."""
    world.outside.gives = accepted("deb")
    started = await world.start(definition(debate("a")))
    await eventually(lambda: world.outside.asked, "it is asked")
    asked = world.outside.asked[0]
    await world.engine.receive(started.record.execution_id, Done(asked.ask_id, {}))
    await world.engine.receive(started.record.execution_id, Accepted(asked.ask_id, "deb_a"))
    assert (await world.ended(started.record.execution_id)).status is ExecutionStatus.COMPLETED


async def test_a_child_that_cannot_be_read_ends_and_its_parent_hears_of_it(world: World) -> None:
    world.definitions.add("wf_2", definition(approval("sign")))
    parent = await world.start(definition({"type": "workflow", "id": "child", "workflow": "wf_2"}))
    (child_id,) = await eventually(world.children, "the child begins")
    async with world.database.writing() as connection:
        await connection.execute(
            text("UPDATE workflow_journal SET payload = '{}' WHERE execution_id = :id AND seq = 2"), {"id": child_id}
        )
    await world.begin()
    with pytest.raises(Conflict, match="cannot be read"):
        await world.engine.pause(child_id, "ann")
    record = await world.ended(child_id)
    assert (record.status, record.code) == (ExecutionStatus.FAILED, "defect")
    assert (await world.ended(parent.record.execution_id)).code == "workflow_failed"


async def test_commands_that_are_refused_are_no_trouble_of_the_process(world: World) -> None:
    started = await world.start(definition(approval("sign")))
    for _ in range(PATIENCE + 1):
        with pytest.raises(NotFound):
            await world.engine.pause("exe_nobody", "ann")
        with pytest.raises(NotFound):
            await world.engine.signal(started.record.execution_id, "go", {}, "s1", "ann")
    assert LOOPS.troubled() == ()
