"""The actor of an agent: each ask is answered once, wherever its reply goes, unless its debate is withdrawn."""

from __future__ import annotations

import asyncio

import pytest
from worlds.memory_engine import answer

from actors import agent as module
from actors.agent import AgentActor
from aragora.agents import wire
from aragora.config.settings import Settings
from aragora.debate.model import AgentRequest, Ask, AskKind, Brief, Reply


class Answering:
    """Answers once `go` is set; counts what it is asked."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.asked: list[str] = []

    async def answer(self, request: AgentRequest) -> Reply:
        self.asked.append(request.ask.ask_id)
        await self.go.wait()
        return answer(request)


class Agent:
    """The actor of `ann`, and what it answers with."""

    def __init__(self) -> None:
        self.actor = AgentActor("ann#3", Settings())
        self.answering = Answering()
        self.actor._answering = self.answering  # type: ignore[assignment]

    async def exchange(self, asker: str, *requests: AgentRequest, withdrawn: tuple[str, ...] = ()) -> list[str]:
        """The ids of the asks whose replies come back."""
        batch = wire.encode_requests(requests).raw if requests else b""
        raw = await self.actor.exchange(asker, batch, withdrawn)
        return [reply.ask_id for reply in wire.decode_replies(raw)] if raw else []


@pytest.fixture
async def agent(monkeypatch: pytest.MonkeyPatch) -> Agent:
    monkeypatch.setattr(module, "POLL_S", 0.01)
    return Agent()


def request(debate_id: str) -> AgentRequest:
    ask = Ask(f"{debate_id}/1/propose/ann", debate_id, "ann", AskKind.PROPOSE, 1)
    return AgentRequest(ask, Brief("Which queue?"), 30.0)


async def test_an_ask_that_comes_again_is_answered_once_and_its_reply_goes_to_the_last_asker(agent: Agent) -> None:
    assert await agent.exchange("before the crash", request("deb_1")) == []
    assert await agent.exchange("after the crash", request("deb_1")) == []
    agent.answering.go.set()
    assert await agent.exchange("after the crash") == ["deb_1/1/propose/ann"]
    assert await agent.exchange("before the crash") == []
    assert agent.answering.asked == ["deb_1/1/propose/ann"]


async def test_an_ask_that_was_answered_is_answered_from_memory(agent: Agent) -> None:
    agent.answering.go.set()
    for _ in range(3):
        assert await agent.exchange("coordinator", request("deb_1")) == ["deb_1/1/propose/ann"]
    assert agent.answering.asked == ["deb_1/1/propose/ann"]


async def test_a_withdrawn_debate_takes_its_own_answers_only(agent: Agent) -> None:
    """The id of one debate may be the beginning of another's."""
    assert await agent.exchange("coordinator", request("deb_1"), request("deb_12")) == []
    assert await agent.exchange("coordinator", withdrawn=("deb_1",)) == []
    agent.answering.go.set()
    assert await agent.exchange("coordinator") == ["deb_12/1/propose/ann"]
    assert await agent.exchange("coordinator") == []


async def test_an_agent_is_busy_while_it_answers(agent: Agent) -> None:
    await agent.exchange("coordinator", request("deb_1"))
    assert agent.actor._busy()
    agent.answering.go.set()
    assert await agent.exchange("coordinator") == ["deb_1/1/propose/ann"]
    assert not agent.actor._busy()
