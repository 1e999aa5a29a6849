"""Arbitrary JSON as the answers of providers, through SDK, agent, link, coordinator, journal and recovery, on both
databases: every debate ends, its neighbours complete, nothing spins.
"""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from worlds import odd_provider as odd
from worlds.actors_without_ray import Handle
from worlds.memory_engine import spec
from worlds.odd_provider import OddProvider
from worlds.odd_replies import replies
from worlds.stored_engine import StoredEngine, stored_engine

from actors.agent import AgentActor
from actors.agent_shards import AgentShards
from actors.channels import sockets
from actors.channels.agent_links import AgentLinks
from actors.kinds import Kind
from actors.runtime import Runtime
from aragora.agents.answering import Answering
from aragora.agents.gate import LeasedGate, LocalBreaker
from aragora.agents.model import AgentSpec
from aragora.clock import SystemClock
from aragora.config.settings import Settings
from aragora.debate.model import DebateStatus
from aragora.debate.protocol import preset
from aragora.debate.running.engine import DebateEngine
from aragora.ids import new_id
from aragora.resilience.backoff import Backoff
from aragora.resilience.circuit_breaker import BreakerPolicy

AGENTS = ("ann", "bob", "cem")
ODD = "The odd question?"
PLAIN = "Which queue?"
QUICK = replace(preset("structured"), rounds=1, phase_deadline_s=60.0)
ASKS = 3 + 6 + 3  # answers, critiques, votes
CALLS_EACH = 4  # an answer and its repair, twice; the breaker stays closed, so that it is not what bounds them
FLAT_BYTES = 4_000_000
"""What may be left of twenty examples, for caches that fill and what the libraries load late."""


@pytest.fixture(autouse=True)
def on_this_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARAGORA_RUN_DIRECTORY", raising=False)  # there a process has one socket, and here are three
    monkeypatch.setattr(sockets, "this_node", lambda: "here")


def fitting(body: str) -> httpx2.Response:
    """A good answer to whatever is asked."""
    if "Vote for the best answer" in body:
        return odd.chat(json.dumps({"reason": "clear", "choice": "A", "confidence": 0.8}))
    if "Criticise the answer" in body:
        return odd.chat(json.dumps({"issues": ["too short"], "suggestions": [], "severity": 0.3}))
    return odd.chat()


class OddAgents:
    """Real agents over an odd provider, and a coordinator's links to them, by sockets."""

    def __init__(self, odd_replies: Sequence[httpx2.Response]) -> None:
        self.engine: DebateEngine | None = None
        self.connected: list[str] = []
        self._replies, self._given = odd_replies, 0
        self.provider = OddProvider(self._serve)
        self._actors = {name: self._agent(name) for name in AGENTS}
        self.links = AgentLinks("coordinator-0", Runtime(Settings(), self._create), AgentShards(), self._receive)

    async def aclose(self) -> None:
        self.links.close()
        for actor in self._actors.values():
            await actor._close()

    def _serve(self, body: str) -> httpx2.Response:
        if ODD not in body:
            return fitting(body)
        reply = self._replies[self._given % len(self._replies)]
        self._given += 1
        return httpx2.Response(reply.status_code, content=reply.content, headers=reply.headers)

    def _agent(self, name: str) -> AgentActor:
        clock, patient = SystemClock(), BreakerPolicy(failure_threshold=10**6, window_calls=10**6, bar_s=0.0)
        actor = AgentActor(name, Settings())
        actor._answering = Answering(
            AgentSpec(name, "openrouter", "gpt-5.4", max_tokens=100),
            self.provider.chat_provider(),
            None,
            LeasedGate(LocalBreaker(clock, patient), clock),
            clock,
            backoff=Backoff(base_s=0.0, attempts=2),
        )
        return actor

    def _create(self, kind: Kind[Any], key: str, _: Settings) -> Handle:
        self.connected.append(f"{kind.name}/{key}")
        return Handle(self._actors[key])

    def _receive(self, debate_id: str, received: Sequence[Any]) -> None:
        assert self.engine is not None
        self.engine.receive(debate_id, received)


@asynccontextmanager
async def coordinating(
    settings: Settings, odd_replies: Sequence[httpx2.Response]
) -> AsyncIterator[tuple[StoredEngine, OddAgents]]:
    agents = OddAgents(odd_replies)
    async with stored_engine(settings, agents.links) as here:
        agents.engine = here.engine
        try:
            yield here, agents
        finally:
            await agents.aclose()


async def debates_over(settings: Settings, odd_replies: Sequence[httpx2.Response]) -> None:
    """An odd debate between two plain ones, and a coordinator after it that reads the same journals."""
    names = [new_id("deb") for _ in range(3)]
    async with coordinating(settings, odd_replies) as (first, agents):
        for name, question in zip(names, (PLAIN, ODD, PLAIN), strict=True):
            await first.engine.open(replace(spec(name, AGENTS, protocol=QUICK), question=question))
        statuses = await first.ended(names)
        assert (statuses[0], statuses[2]) == (DebateStatus.COMPLETED, DebateStatus.COMPLETED)
        assert await first.engine.drain(30.0) == 0
        assert sorted(agents.connected) == [f"agent/{name}" for name in AGENTS], "no link was lost"
        assert sum(ODD in body for body in agents.provider.asked) <= ASKS * CALLS_EACH
        assert await first.replayed(names) == statuses
    async with coordinating(settings, odd_replies) as (second, agents):
        assert await second.engine.recover(lambda name: name in names) == 0
        assert not agents.provider.asked


def test_whatever_a_provider_sends_every_debate_ends_and_its_neighbours_complete(settings: Settings) -> None:
    sqlite = settings.database_url is None

    @hypothesis_settings(
        max_examples=20 if sqlite else 5,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(st.lists(replies, min_size=1, max_size=6))
    def law(odd_replies: list[httpx2.Response]) -> None:
        with capture_logs():
            asyncio.run(debates_over(settings, odd_replies))

    law()


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_the_replies_that_were_seen_to_spin_leave_the_memory_flat(settings: Settings) -> None:
    """The token counts that once made a link reconnect a thousand times a second, and a debate stay for ever."""
    seen = [odd.chat(usage={"prompt_tokens": 100, "completion_tokens": 40.5}), odd.chat(usage={"prompt_tokens": 2**64})]
    for _ in range(2):  # what is loaded late is loaded
        asyncio.run(debates_over(settings, seen))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(5):
            asyncio.run(debates_over(settings, seen))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < FLAT_BYTES
