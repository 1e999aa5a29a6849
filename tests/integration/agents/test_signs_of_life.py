"""Agents at a slow local server, over the real SDK and a real engine: who works on its answer takes part.

The figures are those of the field divided by twenty: a minute of comments, twelve seconds a call, ten seconds of grace.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from worlds.memory_engine import World, spec

from aragora.agents import signs
from aragora.agents.answering import Answering
from aragora.agents.catalog import Catalog, build_provider
from aragora.agents.gate import LeasedGate, LocalBreaker
from aragora.agents.signs import Sign, Signs
from aragora.clock import SystemClock
from aragora.config.settings import Settings
from aragora.debate import journal
from aragora.debate.model import AgentRequest, ConsensusReached, Protocol
from tests.standins.providers import KEY, Behaviour, ProviderStandIn

pytestmark = pytest.mark.slow

GRACE_S = 0.5
CALL_S = 0.6
TEAM = ("local", "local-skeptic", "local-pragmatist")


class Agents:
    """The agents of a debate in this process, as their actors run them; `quick` answer from a stand-in of their own."""

    def __init__(self, settings_of: Callable[[str], Settings]) -> None:
        self._settings_of = settings_of
        self._made: dict[str, Answering] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.world: World | None = None
        self.signs: list[Sign] = []

    def send(self, request: AgentRequest) -> None:
        task = asyncio.create_task(self._answer(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def withdraw(self, debate_id: str) -> None:
        """What is not wanted any more ends with the test."""

    async def aclose(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for answering in self._made.values():
            await answering.aclose()

    async def _answer(self, request: AgentRequest) -> None:
        assert self.world is not None
        loop, engine, ask = asyncio.get_running_loop(), self.world.engine, request.ask

        def tell(sign: Sign) -> None:
            self.signs.append(sign)
            engine.alive(ask.debate_id, ask.ask_id)

        listener = Signs(ask.ask_id, loop.time, loop.call_later, tell)
        reply = await self._agent(ask.agent).answer(request, listener)
        engine.receive(ask.debate_id, [reply])

    def _agent(self, name: str) -> Answering:
        if name not in self._made:
            settings, clock = self._settings_of(name), SystemClock()
            agent = Catalog(settings).roster().spec_of(name)
            gate = LeasedGate(LocalBreaker(clock), clock)
            self._made[name] = Answering(agent, build_provider(agent, settings), None, gate, clock)
        return self._made[name]


@pytest.fixture
async def other() -> AsyncIterator[ProviderStandIn]:
    async with ProviderStandIn() as server:
        yield server


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signs, "ALIVE_EVERY_S", 0.1)


async def took_part(agents: Agents, team: tuple[str, ...], **protocol: object) -> set[str]:
    """Who answered in a debate of `team`."""
    fields = {"rounds": 1, "grace_s": GRACE_S, "early_stop": False, "trickster": False}
    world = World(agents=agents, clock=SystemClock())  # type: ignore[arg-type]
    agents.world = world
    await world.engine.open(spec(agents=team, protocol=Protocol("ensemble", **fields | protocol)))  # type: ignore[arg-type]
    await world.ended("deb_1")
    await agents.aclose()
    events = [journal.event_of(row.payload) for row in world.journal.rows["deb_1"]]
    (decided,) = [event for event in events if isinstance(event, ConsensusReached)]
    absent = {one.agent for one in decided.decision.participation.absent}
    return set(team) - absent


def one_of_two(standin: ProviderStandIn, other: ProviderStandIn, data_dir: Path) -> Callable[[str], Settings]:
    """The settings by which `local` asks the one server, and its personas the other."""

    def settings_of(name: str) -> Settings:
        address = standin.chat if name == "local" else other.chat
        return Settings.model_validate({"data_dir": data_dir, "local_base_url": address, "local_api_key": KEY})

    return settings_of


async def test_a_server_that_sends_comments_for_long_and_then_an_answer_is_waited_for(
    standin: ProviderStandIn, other: ProviderStandIn, tmp_path: Path
) -> None:
    standin.always = Behaviour(comments_s=3.0)

    assert await took_part(Agents(one_of_two(standin, other, tmp_path)), TEAM) == set(TEAM)


async def test_one_that_says_nothing_meanwhile_is_not(
    standin: ProviderStandIn, other: ProviderStandIn, tmp_path: Path
) -> None:
    standin.always = Behaviour(delay_s=3.0)

    assert await took_part(Agents(one_of_two(standin, other, tmp_path)), TEAM) == {"local-skeptic", "local-pragmatist"}


async def test_three_agents_of_a_server_that_answers_one_call_at_a_time_all_take_part(
    standin: ProviderStandIn, tmp_path: Path
) -> None:
    """Whatever they do: the quorum of two takes two calls, so the third has three calls' time."""
    standin.at_once, standin.always = asyncio.Semaphore(1), Behaviour(delay_s=CALL_S)
    settings = Settings.model_validate({"data_dir": tmp_path, "local_base_url": standin.chat, "local_api_key": KEY})
    assert await took_part(Agents(lambda _: settings), TEAM) == set(TEAM)


async def test_whoever_waits_for_its_turn_is_waited_for(standin: ProviderStandIn, tmp_path: Path) -> None:
    """With a quorum of one the last of three would have half a call's time too little."""
    standin.at_once, standin.always = asyncio.Semaphore(1), Behaviour(delay_s=CALL_S)
    assert await took_part(Agents(of_one_call(standin, tmp_path, 1)), TEAM, quorum=0.1, grace_s=0.1) == set(TEAM)


async def test_whoever_waits_without_a_declared_concurrency_is_not(standin: ProviderStandIn, tmp_path: Path) -> None:
    """The calls after the first take longer, so that a busy machine does not make up for it."""
    standin.at_once, slow = asyncio.Semaphore(1), Behaviour(delay_s=5 * CALL_S)
    standin.next(Behaviour(delay_s=CALL_S), slow, slow)
    assert await took_part(Agents(of_one_call(standin, tmp_path, 0)), TEAM, quorum=0.1, grace_s=0.1) < set(TEAM)


def of_one_call(standin: ProviderStandIn, data_dir: Path, concurrency: int) -> Callable[[str], Settings]:
    """The settings of agents at a server that answers one call at a time, and says so where `concurrency` is 1."""
    fields = {"local_base_url": standin.chat, "local_api_key": KEY, "local_concurrency": concurrency}
    settings = Settings.model_validate({"data_dir": data_dir, **fields})
    return lambda _: settings
