"""A debate over the engine in odd circumstances: a crash at any point, half a character, a hundred cancellations."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from worlds.memory_engine import World, answer, spec
from worlds.waiting import eventually

from aragora.agents.answer_format import parse_answer
from aragora.debate import journal, machine
from aragora.debate.model import AgentFailure, AgentRequest, Brief, DebateStatus, Proposal, Reply
from aragora.receipts.formats import to_html, to_markdown
from aragora.receipts.verifying import parse, verify

HALF = "\ud83d"
AGENTS = ("ann", "bob", "cem", "dia")


@dataclass
class Recorder:
    """Agents that note what each was shown, and fall silent after `until` asks."""

    until: int = 10_000
    shown: dict[str, list[Brief]] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)

    def __call__(self, request: AgentRequest) -> Reply | None:
        self.shown.setdefault(request.ask.ask_id, []).append(request.brief)
        if sum(map(len, self.shown.values())) > self.until:
            return None
        self.answered.add(request.ask.ask_id)
        return answer(request)


async def unbroken() -> tuple[World, Recorder]:
    world, agents = World(), Recorder()
    world.agents.script = agents
    await world.engine.open(spec())
    await world.ended("deb_1")
    return world, agents


async def broken_after(asks: int) -> tuple[World, Recorder]:
    """A debate whose coordinator dies once `asks` answers are durable, and goes on in a new one."""
    world, agents = World(), Recorder(until=asks)
    world.agents.script = agents
    await world.engine.open(spec())
    await eventually(lambda: agents.answered <= settled(world) and sum(map(len, agents.shown.values())) > asks)
    agents.until = 10_000
    await world.restart().recover(lambda _: True)
    await world.ended("deb_1")
    return world, agents


def rows(world: World) -> list[dict[str, Any]]:
    return [json.loads(row.payload) for row in world.journal.rows["deb_1"]]


def settled(world: World) -> set[str]:
    return {row["data"]["ask_id"] for row in rows(world) if "ask_id" in row["data"]}


def told(world: World, kind: str) -> dict[str, Any]:
    """The event of that kind, without when it was."""
    (found,) = [row["data"] for row in rows(world) if row["type"] == kind]
    return found  # type: ignore[no-any-return]


def usage_of(world: World) -> list[Any]:
    """What each agent is to be charged for."""
    return [json.loads(row.payload)["agents"] for row in world.journal.outbox if row.topic == "usage"]


CUTS = [1, 3, 5, 16, 17, 29, 34, 45, 49, 51]  # within and between the phases of the 52 asks


@pytest.mark.parametrize("cut", CUTS)
async def test_a_debate_that_was_broken_off_shows_its_agents_what_an_unbroken_one_shows(cut: int) -> None:
    _, whole = await unbroken()
    _, resumed = await broken_after(cut)
    assert resumed.shown.keys() == whole.shown.keys()
    for ask_id, briefs in resumed.shown.items():
        assert briefs == [whole.shown[ask_id][0]] * len(briefs), ask_id


@pytest.mark.parametrize("cut", CUTS)
async def test_a_debate_that_was_broken_off_makes_no_call_twice_and_costs_what_an_unbroken_one_does(cut: int) -> None:
    whole, _ = await unbroken()
    world, resumed = await broken_after(cut)
    twice = {ask_id for ask_id, briefs in resumed.shown.items() if len(briefs) > 1}
    assert len(resumed.shown) == 52
    assert len(twice) < len(AGENTS) ** 2  # of the open phase, and never answered before
    assert told(world, "consensus") == told(whole, "consensus")
    assert len(usage_of(world)) == 1
    assert usage_of(world) == usage_of(whole)


async def test_half_a_character_in_every_answer_spoils_neither_replay_nor_export_nor_receipt(world: World) -> None:
    def odd(request: AgentRequest) -> Reply:
        reply: Any = answer(request)
        if not isinstance(reply.content, Proposal):
            return reply  # type: ignore[no-any-return]
        text = json.dumps({"answer": f"{reply.content.text} {HALF}!", "evidence": [f"{HALF}seen"], "confidence": 0.7})
        read = parse_answer(request, text)
        return replace(reply, content=read.content, remarks=read.remarks)  # type: ignore[no-any-return]

    world.agents.script = odd
    await world.engine.open(spec())
    await world.ended("deb_1")
    payloads = [row.payload for row in world.journal.rows["deb_1"]]
    assert all(payload.encode() for payload in payloads)
    state = machine.replay([journal.event_of(payload) for payload in payloads])
    assert state.decision is not None
    assert state.decision.answer.endswith("\N{REPLACEMENT CHARACTER}!")
    document = parse(world.journal.receipts[0].document.encode())
    assert verify(document, None)[0]
    assert to_html(document).encode()
    assert to_markdown(document).encode()


async def test_a_hundred_cancelled_debates_withdraw_their_asks_and_leave_nothing_behind(world: World) -> None:
    silent: list[AgentRequest] = []
    world.agents.script = silent.append
    names = [f"deb_{number}" for number in range(100)]
    await asyncio.gather(*(world.engine.open(spec(name)) for name in names))
    await eventually(lambda: len(silent) == 100 * len(AGENTS))
    await asyncio.gather(*(world.engine.cancel(name, "eve") for name in names))
    await world.ended(*names)
    for request in silent:  # they answer all the same
        world.engine.receive(request.ask.debate_id, [answer(request)])
    assert {world.journal.statuses[name] for name in names} == {DebateStatus.CANCELLED}
    assert sorted(world.agents.withdrawn) == sorted(names)
    assert [world.journal.cut_off[name] for name in names] == [len(AGENTS)] * 100
    assert (world.engine.load().active, world.engine.load().queued) == (0, 0)
    assert {world.journal.types(name)[-1] for name in names} == {"debate_end"}


@pytest.fixture
def world() -> World:
    return World()


async def test_an_agent_that_always_fails_stands_in_the_receipt_with_its_failures_and_their_cause(world: World) -> None:
    def script(request: AgentRequest) -> Reply:
        if request.ask.agent == "dia":
            return AgentFailure(request.ask.ask_id, "dia", "wrong_key", "The key was refused.")
        return answer(request)

    world.agents.script = script
    await world.engine.open(spec())
    await world.ended("deb_1")
    document = parse(world.journal.receipts[0].document.encode())
    parts = {part["name"]: part for part in document["agents"]}
    assert set(parts) == set(AGENTS)
    assert (parts["dia"]["answers"], parts["dia"]["failures"] > 0) == (0, True)
    absent = {(one["agent"], one["code"]) for one in document["decision"]["participation"]["absent"]}
    assert ("dia", "wrong_key") in absent
    assert "dia" in to_markdown(document)
