"""A link to an agent: batches, resends after a crash, delivers each answer once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from ray.exceptions import ActorUnavailableError
from worlds.actors_without_ray import runtime_over
from worlds.memory_engine import answer
from worlds.waiting import WAIT_S, eventually

from actors.channels.agent_links import AgentLinks
from actors.channels.sockets import Endpoint
from aragora.agents import wire
from aragora.debate.model import AgentRequest, Ask, AskKind, Brief, Reply

Exchange = Callable[[str, bytes, tuple[str, ...]], Awaitable[bytes]]


class Agents:
    """Stands for the agent actors, on another node: they are reached by calls alone."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.calls = 0
        self.created: list[str] = []

    async def endpoint(self) -> Endpoint:
        return Endpoint("another-node", None)

    async def exchange(self, asker: str, batch: bytes, withdrawn: tuple[str, ...]) -> bytes:
        self.calls += 1
        return await self._exchange(asker, batch, withdrawn)


class Received:
    def __init__(self) -> None:
        self.ask_ids: Counter[str] = Counter()

    def __call__(self, debate_id: str, replies: Sequence[Reply]) -> None:
        assert all(reply.ask_id.startswith(debate_id) for reply in replies)
        self.ask_ids.update(reply.ask_id for reply in replies)

    async def count(self, number: int) -> None:
        await eventually(lambda: len(self.ask_ids) >= number)


def request(debate_id: str, timeout_s: float = 30.0) -> AgentRequest:
    ask = Ask(f"{debate_id}/1/propose/ann", debate_id, "ann", AskKind.PROPOSE, 1)
    return AgentRequest(ask, Brief("Which queue?"), timeout_s)


def links(agents: Agents, received: Received) -> AgentLinks:
    return AgentLinks("coordinator-0", runtime_over(agents, agents.created), 1, received)


async def answers(_: str, batch: bytes, __: tuple[str, ...]) -> bytes:
    if not batch:
        await asyncio.Event().wait()  # a poll stays open until there is something to tell
    return wire.encode_replies([answer(request) for request in wire.decode_requests(batch)])


async def test_asks_of_one_turn_travel_in_one_message() -> None:
    received, agents = Received(), Agents(answers)
    link = links(agents, received)
    for number in range(50):
        link.send(request(f"deb_{number}"))
    await received.count(50)
    assert agents.calls == 1
    link.close()


async def test_a_lost_agent_gets_every_open_ask_again_and_each_answer_counts_once() -> None:
    fails = 3

    async def flaky(asker: str, batch: bytes, withdrawn: tuple[str, ...]) -> bytes:
        nonlocal fails
        if fails:
            fails -= 1
            raise ActorUnavailableError("killed", None)
        return await answers(asker, batch, withdrawn)

    received, agents = Received(), Agents(flaky)
    link = links(agents, received)
    for number in range(5):
        link.send(request(f"deb_{number}"))
    await received.count(5)
    assert set(received.ask_ids.values()) == {1}
    assert agents.created == ["agent/ann"] * 4, "found once, and again after each failure"
    link.close()


async def test_an_answer_that_comes_twice_is_delivered_once() -> None:
    async def twice(asker: str, batch: bytes, withdrawn: tuple[str, ...]) -> bytes:
        if not batch:
            return await answers(asker, batch, withdrawn)
        replies = [answer(request) for request in wire.decode_requests(batch)]
        return wire.encode_replies(replies + replies)

    received = Received()
    link = links(Agents(twice), received)
    link.send(request("deb_1"))
    await received.count(1)
    assert received.ask_ids.total() == 1
    link.close()


async def test_the_agent_is_told_which_debates_nobody_waits_for() -> None:
    told: list[tuple[str, ...]] = []
    sent = asyncio.Event()

    async def silent(_: str, batch: bytes, withdrawn: tuple[str, ...]) -> bytes:
        told.append(withdrawn)
        sent.set()
        await asyncio.sleep(0)
        return b""

    link = links(Agents(silent), Received())
    link.send(request("deb_1"))
    link.send(request("deb_2"))
    await asyncio.wait_for(sent.wait(), WAIT_S)
    link.withdraw("deb_1")
    await eventually(lambda: ("deb_1",) in told)
    link.close()


@pytest.mark.parametrize("size", [1, 450])
async def test_every_ask_reaches_the_agent_however_many_there_are(size: int) -> None:
    received: Any = Received()
    link = links(Agents(answers), received)
    for number in range(size):
        link.send(request(f"deb_{number}"))
    await received.count(size)
    link.close()
