"""Whatever people ask and however the store fails in between: each debate that was written ends once, and nothing of it
stays in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from worlds.logical_time import LogicalLoop
from worlds.memory_engine import World, answer, spec

from aragora.debate.journal import END
from aragora.debate.model import AgentRequest, Reply
from aragora.debate.protocol import preset
from aragora.debate.running.engine import Limits
from aragora.errors import AragoraError

AGENTS = ("ann", "bob", "cem")
QUICK = replace(preset("structured"), rounds=1, phase_deadline_s=5.0, grace_s=1.0)
ALL_IS_OVER_S = 1_000.0


class Story:
    """One engine after the other on the same journal, and what was asked of them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._asked: list[asyncio.Task[None]] = []

    def open(self, number: int) -> None:
        self._ask(self._world.engine.open(spec(f"deb_{number}", AGENTS, protocol=QUICK)))

    def cancel(self, number: int) -> None:
        self._ask(self._world.engine.cancel(f"deb_{number}", "eve"))

    def vote(self, number: int) -> None:
        self._ask(self._world.engine.vote(f"deb_{number}", "eve", "ann", 1 + number, "v1"))

    def fail(self, number: int) -> None:
        self._world.journal.outage += number

    def lose_acknowledgement(self, _: int) -> None:
        self._world.journal.lost_acknowledgements += 1

    def lose_opening(self, _: int) -> None:
        self._world.journal.lost_openings += 1

    async def wait(self, number: int) -> None:
        await asyncio.sleep((0.0, 0.0, 0.001, 0.02, 2.0)[number])

    async def restart(self, number: int) -> None:
        await self._world.engine.drain(0.5 * number)
        await self.answered()  # as at a real end: the journal is closed after what was handed to it
        recovered = False
        engine = self._world.restart()
        while not recovered:
            try:
                await engine.recover(lambda _: True)
                recovered = True
            except AragoraError:
                await asyncio.sleep(0.1)

    async def answered(self) -> None:
        await asyncio.gather(*self._asked)

    def _ask(self, asked: Awaitable[object]) -> None:
        async def answered() -> None:
            with suppress(AragoraError):  # what matters here is that who asks is answered at all
                await asked

        self._asked.append(asyncio.ensure_future(answered()))


STEPS: dict[str, Callable[[Story, int], Awaitable[None] | None]] = {
    name: getattr(Story, name)
    for name in ("open", "cancel", "vote", "fail", "lose_acknowledgement", "lose_opening", "wait", "restart")
}


async def told(steps: list[tuple[str, int]], silent: set[int], limits: Limits) -> World:
    world = World(limits=limits, pause_s=lambda attempt: 0.01 * (attempt + 1))

    def script(request: AgentRequest) -> Reply | None:
        return None if sum(world.agents.asked.values()) in silent else answer(request)

    world.agents.script = script
    story = Story(world)
    for name, number in steps:
        step = STEPS[name](story, number)
        if step is not None:
            await step
    await story.answered()
    await asyncio.sleep(ALL_IS_OVER_S)
    return world


@hypothesis_settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 4)), max_size=40),
    st.sets(st.integers(0, 60)),
    st.builds(Limits, st.integers(1, 3), st.integers(1, 6), st.sampled_from([0.5, 1.0])),
)
def test_every_debate_that_was_written_ends_once_and_gives_its_place_back(
    steps: list[tuple[str, int]], silent: set[int], limits: Limits
) -> None:
    with capture_logs(), asyncio.Runner(loop_factory=LogicalLoop) as runner:
        world = runner.run(told(steps, silent, limits))
    assert [world.journal.types(name).count(END) for name in world.journal.statuses] == [1] * len(
        world.journal.statuses
    )
    assert all(status.ended for status in world.journal.statuses.values())
    load = world.engine.load()
    assert (load.active, load.queued, load.set_aside, world.engine._places._held) == (0, 0, 0, 0)
    recovery = world.engine._recovery
    assert [recovery._caring, recovery._losses] == [{}, {}]
    assert not recovery._in_doubt
