"""Executions that are long, sent very much, or given what no database keeps."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from worlds.waiting import eventually
from worlds.workflow_runner import World
from worlds.workflowing import ask, chain, debate, definition

from aragora.errors import Conflict, InvalidInput
from aragora.storage.database import Database
from aragora.workflows import journal, machine
from aragora.workflows.checking import inputs_of
from aragora.workflows.definition import Definition
from aragora.workflows.faults import InvalidDefinition
from aragora.workflows.machine.people import SIGNALS_MAX
from aragora.workflows.model import Ask, Done, ExecutionStatus, SignalReceived
from aragora.workflows.replaying import replayed
from aragora.workflows.running import course as running

SURELY_S = 30.0


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    made = World(database)
    await made.begin()
    yield made
    await made.close()


async def payloads(world: World, execution_id: str) -> list[str]:
    found: list[str] = []
    while page := await world.store.journal(execution_id, len(found), 1_000):
        found += page
    return found


async def test_events_that_never_stop_keep_no_execution_from_its_end_and_none_is_lost_in_silence(world: World) -> None:
    """W17: events come as fast as they can be sent. Each is journaled, or refused with a code."""
    world.outside.gives = lambda _: None
    world.outside.then = lambda one: Done(one.ask_id, {})
    shape = definition(*chain(debate("a"), {"type": "wait", "id": "w", "event": "go"}, debate("b")))
    execution_id = (await world.start(shape)).record.execution_id
    sent: Counter[str] = Counter()
    stop = asyncio.Event()

    async def send(sender: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            try:
                await world.engine.signal(execution_id, "go", {"n": number}, f"s{sender}_{number}", "ann")
                sent["taken"] += 1
            except Conflict as refused:
                sent[refused.code] += 1
                await asyncio.sleep(0)

    senders = [asyncio.create_task(send(number)) for number in range(20)]
    await eventually(lambda: sent["too_many_signals"], "more are sent than it takes")
    began = time.monotonic()
    world.outside.gate.set()
    record = await world.ended(execution_id)
    assert time.monotonic() - began < SURELY_S
    await eventually(lambda: sent["execution_ended"], "whoever sends hears of the end")
    stop.set()
    await asyncio.gather(*senders)
    assert record.status is ExecutionStatus.COMPLETED
    events = journal.events_of(await payloads(world, execution_id))
    assert sum(isinstance(event, SignalReceived) for event in events) == sent["taken"] == SIGNALS_MAX


def long(rounds: int) -> Definition:
    """Much follows from its beginning, and again from each answer."""
    return definition(
        {"type": "loop", "id": "again", "block": "each", "rounds_max": rounds},
        {"type": "map", "id": "each", "over": "inputs.all", "block": "which", "items_max": 1_000, "next": "talk"},
        {"type": "decide", "id": "which", "branches": [{"when": "item > 1000 * round", "next": "never"}]},
        ask("talk", question="{{ round }}"),
        ask("never"),
        inputs={"all": {"type": "list"}},
        entry="again",
        outputs={"rounds": "steps.again.rounds"},
    )


@pytest.mark.parametrize("crashes", [0, 3])
async def test_of_what_is_written_in_many_commits_nothing_is_asked_twice_and_nothing_is_left(
    world: World, crashes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Owners follow each other while an execution moves, between any of its commits."""
    monkeypatch.setattr(running, "EVENTS_MAX", 40)
    world.outside.gives = lambda one: Done(one.ask_id, {"n": one.what["question"]}, 1)
    started = await world.start(long(rounds=4), {"all": list(range(150))})
    execution_id = started.record.execution_id
    assert started.record.active
    for _ in range(crashes):
        before = (await world.record(execution_id)).last_seq

        async def further(seen: int = before) -> bool:
            record = await world.record(execution_id)
            return record.last_seq > seen or record.status.ended

        await eventually(further, "it goes on")
        await world.begin()
    record = await world.ended(execution_id)
    assert (record.status, record.outputs, record.active) == (ExecutionStatus.COMPLETED, '{"rounds":4}', False)
    asked = {one.ask_id: one.what["question"] for one in world.outside.asked}
    assert sorted(asked.values()) == ["1", "2", "3", "4"]
    told = journal.told_of(await payloads(world, execution_id))
    assert len(told) > 1_200
    state, seq = await replayed(record, world.store, world.definitions)
    assert (state, seq) == (machine.replay(long(rounds=4), told), record.last_seq)


async def test_a_runner_that_ends_in_the_middle_of_a_long_move_leaves_the_rest_to_the_next_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "EVENTS_MAX", 10)
    world.outside.gives = lambda one: Done(one.ask_id, {})
    execution_id = (await world.start(long(rounds=2), {"all": list(range(400))})).record.execution_id
    await world.runners[-1].drain()
    record = await world.record(execution_id)
    assert (record.status.ended, record.active) == (False, True)
    await world.begin()
    assert (await world.ended(execution_id)).status is ExecutionStatus.COMPLETED


@pytest.mark.parametrize("text", ["a\x00b", "\ud83d", "ok \udfff"], ids=["nul", "high", "low"])
async def test_what_no_database_keeps_is_refused_where_it_comes_in_and_fails_no_neighbour(
    world: World, text: str
) -> None:
    world.outside.gives = lambda one: Done(one.ask_id, {"answer": text} if one.step == "bad" else {"answer": "good"})
    for inputs in ({"x": text}, {text: 1}, {"x": [{"y": text}]}):
        with pytest.raises(InvalidInput):
            await world.start(definition(ask("a")), inputs)
    waiting = await world.start(definition(*chain({"type": "wait", "id": "w", "event": "go"}, ask("a"))))
    execution_id = waiting.record.execution_id
    deeds: list[Any] = [
        lambda: world.engine.signal(execution_id, "go", {"x": text}, "s1", "ann"),
        lambda: world.engine.signal(execution_id, "go", {text: 1}, "s2", "ann"),
        lambda: world.engine.cancel(execution_id, "ann", text),
    ]
    for deed in deeds:
        with pytest.raises(InvalidInput):
            await deed()
    bad, good = await asyncio.gather(world.start(definition(ask("bad"))), world.start(definition(ask("good"))))
    record = await world.ended(bad.record.execution_id)
    assert (record.status, record.code) == (ExecutionStatus.FAILED, "unreadable")
    assert (await world.ended(good.record.execution_id)).status is ExecutionStatus.COMPLETED
    await world.engine.signal(execution_id, "go", {"x": "fine"}, "s3", "ann")
    assert (await world.ended(execution_id)).status is ExecutionStatus.COMPLETED


async def test_an_expression_that_does_too_much_in_every_step_holds_no_other_execution(world: World) -> None:
    """Each decision does nearly all that it may: seconds of work in one move. Others go on meanwhile."""
    bomb = "inputs.all.map(a, inputs.all.map(b, a + b)).size() == 0"
    each = {"type": "map", "id": "each", "over": "inputs.rounds", "block": "which", "items_max": 1_000}
    which = {"type": "decide", "id": "which", "branches": [{"when": bomb, "next": "never"}]}
    shape = definition(each, which, ask("never"), inputs={"all": {"type": "list"}, "rounds": {"type": "list"}})
    world.outside.gives = lambda one: Done(one.ask_id, {})
    started = await world.start(shape, {"all": list(range(90)), "rounds": list(range(60))})
    slow = started.record.execution_id
    other = await world.start(definition(*chain(*(ask(f"s{number}") for number in range(5)))))
    assert (await world.ended(other.record.execution_id)).status is ExecutionStatus.COMPLETED
    assert not (await world.record(slow)).status.ended, "it had its turn before the long one was over"
    assert (await world.ended(slow)).status is ExecutionStatus.COMPLETED


async def test_a_map_over_a_million_items_fails_and_says_so(world: World) -> None:
    asked: list[Ask] = world.outside.asked
    each = {"type": "map", "id": "each", "over": "inputs.all", "block": "one", "items_max": 1_000}
    shape = definition(each, ask("one"), inputs={"all": {"type": "list"}})
    with pytest.raises(InvalidDefinition, match="are the most"):  # over 256 KB: none is started
        inputs_of(shape, {"all": [0] * 1_000_000})
    started = await world.start(shape, {"all": [0] * 100_000})
    record = await world.ended(started.record.execution_id)
    assert (record.status, record.code, asked) == (ExecutionStatus.FAILED, "expression", [])
    assert "does too much" in record.reason
