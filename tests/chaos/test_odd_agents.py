"""Agents that answer twice, late or never, and a wall clock that is set back: the debate ends, and each answer counts
once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from chaos.conftest import Tally
from worlds.logical_time import LoopClock, in_logical_time
from worlds.memory_engine import World, answer, spec
from worlds.waiting import eventually

from aragora.debate.journal import event_of
from aragora.debate.model import WIRE_NAMES, AgentFailed, AgentRequest, DebateStatus, LateAnswer, Reply
from aragora.debate.protocol import preset
from aragora.encoding import decode
from aragora.receipts.verifying import verify_chain

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

HURRIED = replace(preset("structured"), phase_deadline_s=0.3, grace_s=0.05)
HOUR_S = 3600.0


@dataclass
class WallClock:
    """Runs monotonic as it should; its wall time can be set."""

    offset_s: float = 0.0

    def now(self) -> float:
        return LoopClock().now() + self.offset_s

    def monotonic(self) -> float:
        return LoopClock().monotonic()


def settled(world: World, debate_id: str) -> Counter[str]:
    late = WIRE_NAMES[LateAnswer]  # tells what an answer cost whose ask was settled without it
    told = [decode(row.payload)["data"] for row in world.journal.rows[debate_id] if row.type != late]
    return Counter(data["ask_id"] for data in told if "ask_id" in data)


async def test_an_answer_that_comes_twice_counts_once(tally: Tally) -> None:
    world = World()

    def twice(request: AgentRequest) -> Reply:
        loop, reply = asyncio.get_running_loop(), answer(request)
        loop.call_soon(world.engine.receive, request.ask.debate_id, [reply])
        loop.call_later(0.01, world.engine.receive, request.ask.debate_id, [reply])
        return reply

    world.agents.script = twice
    await world.engine.open(spec())
    await world.ended("deb_1")
    tally.struck("agent answers twice")
    assert set(settled(world, "deb_1").values()) == {1}
    assert len(settled(world, "deb_1")) == 52
    assert len(world.journal.receipts) == 1


@in_logical_time
@pytest.mark.parametrize("after_s", [None, 0.15], ids=["never", "late"])
async def test_the_debate_does_not_wait_for_an_agent_that_answers_never_or_late(
    tally: Tally, after_s: float | None
) -> None:
    world = World()

    def slow_dia(request: AgentRequest) -> Reply | None:
        if request.ask.agent != "dia":
            return answer(request)
        if after_s is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(after_s, world.engine.receive, request.ask.debate_id, [answer(request)])
        return None

    world.agents.script = slow_dia
    await world.engine.open(spec(protocol=HURRIED))
    await world.ended("deb_1")
    await asyncio.sleep(after_s or 0.0)  # the latest answers come, and change nothing
    tally.struck("agent answers never" if after_s is None else "agent answers late")
    events = [event_of(row.payload) for row in world.journal.rows["deb_1"]]
    assert world.journal.statuses["deb_1"] is DebateStatus.COMPLETED
    assert {event.code for event in events if isinstance(event, AgentFailed)} == {"deadline"}
    assert set(settled(world, "deb_1").values()) == {1}


@pytest.mark.parametrize("crash", [False, True])
async def test_a_clock_set_back_an_hour_neither_stalls_a_debate_nor_breaks_its_receipt(
    tally: Tally, crash: bool
) -> None:
    clock = WallClock()
    world = World(clock=clock)
    world.agents.script = _set_back_at(20, clock)
    await world.engine.open(spec())
    if crash:
        await eventually(lambda: clock.offset_s)
        await world.restart().recover(lambda _: True)
    await world.ended("deb_1")
    await world.engine.open(spec("deb_2"))
    await world.ended("deb_2")
    tally.struck("clock set back")
    stamps = [row.at for row in world.journal.rows["deb_1"]]
    assert min(stamps) < stamps[0] - HOUR_S / 2
    report = verify_chain([decode(receipt.document) for receipt in world.journal.receipts], None)
    assert (report.valid, report.length) == (True, 2), report.breaks
    assert set(settled(world, "deb_1").values()) == {1}


def _set_back_at(asked: int, clock: WallClock) -> Callable[[AgentRequest], Reply]:
    count = 0

    def answering(request: AgentRequest) -> Reply:
        nonlocal count
        count += 1
        if count == asked:
            clock.offset_s = -HOUR_S
        return answer(request)

    return answering
