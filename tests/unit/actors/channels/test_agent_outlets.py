"""The exchange with an agent over its socket: answered, withdrawn, and resent when the connection breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from worlds.actors_without_ray import runtime_over
from worlds.memory_engine import answer
from worlds.waiting import WAIT_S, eventually

from actors.agent_shards import AgentShards
from actors.channels import sockets
from actors.channels.agent_links import AgentLinks, Onlookers
from actors.channels.agent_outlets import AgentSocket, ReplyOutlet
from actors.channels.sockets import Endpoint
from aragora.agents import wire
from aragora.agents.signs import Sign
from aragora.debate.model import AgentAnswer, AgentRequest, Ask, AskKind, Brief, Reply


def request(debate_id: str) -> AgentRequest:
    ask = Ask(f"{debate_id}/1/propose/ann", debate_id, "ann", AskKind.PROPOSE, 1)
    return AgentRequest(ask, Brief("Which queue?"), 30.0)


class Agent:
    """An agent's socket that answers everything."""

    def __init__(self) -> None:
        self.answers = True
        self.taken: list[str] = []
        self.withdrawn: list[str] = []
        self.outlets: list[ReplyOutlet] = []
        self.shown: list[str] = []
        self.socket = AgentSocket(self._take, self.shown.extend)

    async def endpoint(self) -> Endpoint:
        return Endpoint("here", await self.socket.listen())

    def _take(self, withdrawn: Sequence[str], requests: Sequence[AgentRequest], outlet: ReplyOutlet) -> None:
        self.withdrawn += withdrawn
        self.taken += [one.ask.ask_id for one in requests]
        if self.answers:
            for one in requests:
                outlet.put(answer(one))


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Agent:
    monkeypatch.setenv("ARAGORA_RUN_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(sockets, "this_node", lambda: "here")
    return Agent()


async def test_asks_and_replies_travel_over_the_socket(agent: Agent) -> None:
    received: list[Reply] = []
    links = AgentLinks("coordinator-0", runtime_over(agent), AgentShards(), lambda _, replies: received.extend(replies))
    for number in range(500):
        links.send(request(f"deb_{number}"))
    await eventually(lambda: len(received) == 500)
    assert len({reply.ask_id for reply in received}) == 500
    links.close()
    agent.socket.close()


async def test_what_was_open_when_the_agent_died_is_sent_to_its_successor(agent: Agent) -> None:
    received: list[Reply] = []
    links = AgentLinks("coordinator-0", runtime_over(agent), AgentShards(), lambda _, replies: received.extend(replies))
    agent.answers = False
    links.send(request("deb_1"))
    links.send(request("deb_2"))
    await eventually(lambda: len(agent.taken) == 2)
    links.withdraw("deb_2")
    await eventually(lambda: agent.withdrawn == ["deb_2"])
    agent.answers = True
    dead, agent.socket = agent.socket, AgentSocket(agent._take, agent.shown.extend)
    for connection in list(dead._outlets):
        connection.close()
    dead.close()
    await eventually(lambda: len(received) == 1)
    assert agent.taken == ["deb_1/1/propose/ann", "deb_2/1/propose/ann", "deb_1/1/propose/ann"]
    links.close()
    agent.socket.close()


async def test_a_frame_beyond_the_limit_closes_the_connection(agent: Agent) -> None:
    path = await agent.socket.listen()
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"\xff\xff\xff\xff")
    assert await asyncio.wait_for(reader.read(), WAIT_S) == b""
    writer.close()
    agent.socket.close()


async def test_a_burst_larger_than_any_buffer_reaches_the_agent_and_comes_back(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "ENOUGH_UNSENT_BYTES", 100_000)
    monkeypatch.setattr(sockets, "MAX_UNSENT_BYTES", 2_000_000)
    received: list[Reply] = []
    connected: list[str] = []
    links = AgentLinks(
        "coordinator-0", runtime_over(agent, connected), AgentShards(), lambda _, replies: received.extend(replies)
    )
    for number in range(300):
        one = request(f"deb_{number}")
        links.send(replace(one, brief=Brief("q" * 20_000)))
    await eventually(lambda: len(received) == 300)
    assert {type(reply) for reply in received} == {AgentAnswer}
    assert len(connected) == 1, "the agent was never cut off"
    links.close()
    agent.socket.close()


async def test_an_agent_learns_which_debates_are_followed_and_its_signs_come_before_the_replies(agent: Agent) -> None:
    seen: list[object] = []
    onlookers = Onlookers({"deb_1"}, lambda ask, sign: seen.append((ask.debate_id, sign)))
    links = AgentLinks(
        "coordinator-0", runtime_over(agent), AgentShards(), lambda _, replies: seen.extend(replies), onlookers
    )
    agent.answers = False
    links.send(request("deb_1"))
    links.send(request("deb_2"))
    await eventually(lambda: agent.shown == ["deb_1"], "it is named with its asks")
    links.show("deb_2")
    links.show("deb_3")  # no ask of it is at the agent
    await eventually(lambda: agent.shown == ["deb_1", "deb_2"])
    (outlet,) = agent.socket._outlets.values()
    sign = Sign("deb_1/1/propose/ann", "Tea", 0, 1)
    outlet.put(answer(request("deb_1")))
    outlet.show(sign)
    outlet.show(Sign("of an ask that is not open", "", 0, 1))
    await eventually(lambda: len(seen) == 2)
    assert seen == [("deb_1", sign), answer(request("deb_1"))]
    links.close()
    agent.socket.close()


async def test_a_slow_coordinator_costs_signs_and_no_reply(agent: Agent) -> None:
    path = await agent.socket.listen()
    reader, writer = await asyncio.open_unix_connection(path, limit=1_000)
    await eventually(lambda: agent.socket._outlets)
    (outlet,) = agent.socket._outlets.values()
    text = "x" * 2_000
    for number in range(5_000):
        outlet.show(Sign(f"ask {number}", text, 0, 1))
        await asyncio.sleep(0)
    assert not outlet._connection.writable
    assert outlet._signs == [], "they do not wait"
    outlet.put(answer(request("deb_1")))
    told = wire.Told([], [])
    while not told.replies:
        size = int.from_bytes(await asyncio.wait_for(reader.readexactly(4), WAIT_S), "big")
        told = wire.decode_told(await asyncio.wait_for(reader.readexactly(size), WAIT_S))
    assert told.replies == [answer(request("deb_1"))]
    writer.close()
    agent.socket.close()
