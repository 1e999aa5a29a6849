"""A debate waits for an agent that shows that it works, and for no other, until the deadline of the phase."""

from __future__ import annotations

import asyncio

from worlds.logical_time import in_logical_time
from worlds.memory_engine import World, answer, spec

from aragora.debate.journal import END
from aragora.debate.model import AgentRequest, AskKind, Protocol, Reply

ENSEMBLE = Protocol("ensemble", rounds=1, early_stop=False, trickster=False)


def world_with_slow(agent: str) -> World:
    """All agents answer at once, but `agent` does not answer the first question by itself."""
    world = World()

    def script(request: AgentRequest) -> Reply | None:
        late = request.ask.agent == agent and request.ask.kind is AskKind.PROPOSE
        if late:
            slow.append(request)
        return None if late else answer(request)

    slow: list[AgentRequest] = []
    world.agents.script = script
    world.slow = slow  # type: ignore[attr-defined]
    return world


async def works(world: World, *, seconds: float, every_s: float) -> bool:
    """Whether the slow agent's answer counts that comes after so many seconds; it lives every `every_s` seconds."""
    await world.engine.open(spec(protocol=ENSEMBLE))
    while not world.slow:  # type: ignore[attr-defined]
        await asyncio.sleep(0.01)
    (request,) = world.slow  # type: ignore[attr-defined]
    for _ in range(int(seconds / every_s)):
        await asyncio.sleep(every_s)
        awaited = "agent_error" not in world.journal.types("deb_1")
        assert world.engine.alive("deb_1", request.ask.ask_id) is awaited
        assert not world.engine.alive("deb_1", "an ask of nobody")
        assert not world.engine.alive("deb_of_another", request.ask.ask_id)
    world.engine.receive("deb_1", [answer(request)])
    while world.journal.types("deb_1")[-1] != END:
        await asyncio.sleep(1.0)
    return "agent_error" not in world.journal.types("deb_1")


@in_logical_time
async def test_an_agent_that_shows_life_for_a_minute_and_then_answers_takes_part() -> None:
    assert await works(world_with_slow("dia"), seconds=60.0, every_s=2.0)


@in_logical_time
async def test_one_that_shows_no_life_within_the_grace_does_not() -> None:
    assert not await works(world_with_slow("dia"), seconds=60.0, every_s=12.0)


@in_logical_time
async def test_nobody_is_waited_for_longer_than_the_phase_may_take() -> None:
    assert not await works(world_with_slow("dia"), seconds=130.0, every_s=2.0)
