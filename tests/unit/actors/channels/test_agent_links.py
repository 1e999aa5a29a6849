"""A link to an agent: batches, resends after a crash, delivers each answer once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from ray.exceptions import ActorUnavailableError
from structlog.testing import capture_logs
from worlds.actors_without_ray import runtime_over
from worlds.memory_engine import answer
from worlds.waiting import WAIT_S, eventually

from actors.agent_shards import AgentShards
from actors.channels import agent_links
from actors.channels.agent_links import AgentLinks, Onlookers
from actors.channels.sockets import Endpoint
from actors.channels.suspects import HOPELESS, SENDS
from aragora.agents import wire
from aragora.debate.model import AgentAnswer, AgentFailure, AgentRequest, Ask, AskKind, Brief, Reply
from aragora.errors import Unavailable

Exchange = Callable[[str, bytes, tuple[str, ...]], Awaitable[bytes]]


class Agents:
    """Stands for the agent actors, on another node: they are reached by calls alone."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.calls = 0
        self.tried = 0
        self.away = False
        self.shown: list[str] = []
        self.created: list[str] = []

    async def endpoint(self) -> Endpoint:
        self.tried += 1
        if self.away:
            raise Unavailable("no node has room for it")
        return Endpoint("another-node", None)

    async def exchange(self, asker: str, batch: bytes, withdrawn: tuple[str, ...], shown: tuple[str, ...]) -> bytes:
        self.calls += 1
        self.shown += shown
        return await self._exchange(asker, batch, withdrawn)


class Received:
    def __init__(self) -> None:
        self.ask_ids: Counter[str] = Counter()
        self.replies: list[Reply] = []

    def __call__(self, debate_id: str, replies: Sequence[Reply]) -> None:
        assert all(reply.ask_id.startswith(debate_id) for reply in replies)
        self.ask_ids.update(reply.ask_id for reply in replies)
        self.replies += replies

    async def count(self, number: int) -> None:
        await eventually(lambda: len(self.ask_ids) >= number)


def request(debate_id: str, timeout_s: float = 30.0) -> AgentRequest:
    ask = Ask(f"{debate_id}/1/propose/ann", debate_id, "ann", AskKind.PROPOSE, 1)
    return AgentRequest(ask, Brief("Which queue?"), timeout_s)


def links(agents: Agents, received: Received) -> AgentLinks:
    return AgentLinks("coordinator-0", runtime_over(agents, agents.created), AgentShards(), received)


async def answers(_: str, batch: bytes, __: tuple[str, ...]) -> bytes:
    if not batch:
        await asyncio.Event().wait()  # a poll stays open until there is something to tell
    return wire.encode_replies([answer(request) for request in wire.decode_requests(batch).requests])


def lost_at_first(times: int) -> Exchange:
    """An agent that answers once it was lost so many times."""
    left = times

    async def flaky(asker: str, batch: bytes, withdrawn: tuple[str, ...]) -> bytes:
        nonlocal left
        if left:
            left -= 1
            raise ActorUnavailableError("killed", None)
        return await answers(asker, batch, withdrawn)

    return flaky


async def test_asks_of_one_turn_travel_in_one_message() -> None:
    received, agents = Received(), Agents(answers)
    link = links(agents, received)
    for number in range(50):
        link.send(request(f"deb_{number}"))
    await received.count(50)
    assert agents.calls == 1
    link.close()


async def test_a_lost_agent_gets_every_open_ask_again_and_each_answer_counts_once() -> None:
    received, agents = Received(), Agents(lost_at_first(3))
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
        replies = [answer(request) for request in wire.decode_requests(batch).requests]
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


@pytest.fixture
def paused(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Pauses take no time here; each is written down, with the failures in a row that were before it."""
    told: list[int] = []

    def pause(failures: int) -> float:
        told.append(failures + 1)
        return 0.0

    monkeypatch.setattr(agent_links, "_PAUSES", pause)
    return told


async def dies(_: str, __: bytes, ___: tuple[str, ...]) -> bytes:
    raise ActorUnavailableError("killed", None)


async def test_an_ask_with_which_the_agent_is_always_lost_ends_as_a_failure(paused: list[int]) -> None:
    received, agents = Received(), Agents(dies)
    link = links(agents, received)
    link.send(request("deb_1"))
    await received.count(1)
    (failure,) = received.replies
    assert isinstance(failure, AgentFailure)
    assert failure.code == "agent_lost"
    assert f"{SENDS} times" in failure.message
    assert agents.calls == SENDS
    assert paused == list(range(1, SENDS)), "each loss without an answer makes the pause longer"
    link.close()


async def test_an_answer_ends_the_growing_of_the_pauses(paused: list[int]) -> None:
    asked = 0

    async def recovers(asker: str, batch: bytes, withdrawn: tuple[str, ...]) -> bytes:
        nonlocal asked
        asked += bool(batch)
        if batch and asked != 4:
            return await dies(asker, batch, withdrawn)
        return await answers(asker, batch, withdrawn)

    received = Received()
    link = links(Agents(recovers), received)
    link.send(request("deb_1"))
    await received.count(1)
    link.send(request("deb_2"))
    await received.count(2)
    assert paused == [1, 2, 3, *range(1, SENDS)]
    link.close()


@pytest.mark.usefixtures("paused")
async def test_losses_without_end_are_few_lines_in_the_log() -> None:
    received = Received()
    link = links(Agents(dies), received)
    with capture_logs() as logged:
        for number in range(50):
            link.send(request(f"deb_{number}"))
            await received.count(number + 1)
    assert 3 <= len([line for line in logged if line["event"] == "agent lost"]) <= 20
    link.close()


async def test_asks_that_ran_out_of_time_before_the_agent_was_reached_are_not_sent(paused: list[int]) -> None:
    received, agents = Received(), Agents(answers)
    agents.away = True
    link = links(agents, received)
    link.send(request("deb_1", timeout_s=0.05))
    await eventually(lambda: paused and link._links["ann"]._connecting is None, "nobody waits for it any more")
    agents.away = False
    link.send(request("deb_2"))
    await received.count(1)
    assert set(received.ask_ids) == {"deb_2/1/propose/ann"}
    assert agents.calls == 1
    link.close()


async def test_an_ask_that_has_no_encoding_fails_alone() -> None:
    received = Received()
    link = links(Agents(answers), received)
    link.send(request("deb_1"))
    link.send(replace(request("deb_2"), brief=Brief("half a character \ud83d")))
    link.send(request("deb_3"))
    await received.count(3)
    codes = {reply.ask_id[:5]: reply.code for reply in received.replies if isinstance(reply, AgentFailure)}
    assert codes == {"deb_2": "malformed_ask"}
    link.close()


async def test_an_answer_that_cannot_be_read_fails_alone_and_one_that_is_none_counts_as_a_loss() -> None:
    garbage = 1

    async def odd(asker: str, batch: bytes, withdrawn: tuple[str, ...]) -> bytes:
        nonlocal garbage
        if not batch:
            return await answers(asker, batch, withdrawn)
        if garbage:
            garbage -= 1
            return b"\x01\x02"
        good, bad = wire.decode_requests(batch).requests
        return wire.encode_replies([answer(good), with_tokens(answer(bad), 40.5)])

    received, agents = Received(), Agents(odd)
    link = links(agents, received)
    link.send(request("deb_1"))
    link.send(request("deb_2"))
    await received.count(2)
    assert [type(reply) for reply in sorted(received.replies, key=lambda reply: reply.ask_id)] == [
        AgentAnswer,
        AgentFailure,
    ]
    assert set(received.ask_ids.values()) == {1}
    link.close()


async def test_a_debate_that_cannot_take_its_replies_does_not_keep_others_from_theirs() -> None:
    received = Received()

    def receive(debate_id: str, replies: Sequence[Reply]) -> None:
        if debate_id == "deb_1":
            raise RuntimeError("a defect of this debate")
        received(debate_id, replies)

    agents = Agents(answers)
    link = AgentLinks("coordinator-0", runtime_over(agents, agents.created), AgentShards(), receive)
    for number in range(3):
        link.send(request(f"deb_{number}"))
    await received.count(2)
    assert agents.created == ["agent/ann"]
    link.close()


def with_tokens(reply: Reply, tokens: Any) -> Reply:
    assert isinstance(reply, AgentAnswer)
    return replace(reply, usage=replace(reply.usage, input_tokens=tokens))


@pytest.mark.usefixtures("paused")
async def test_an_ask_that_kills_its_agent_takes_none_of_its_neighbours_with_it() -> None:
    async def dies_of_one(asker: str, batch: bytes, withdrawn: tuple[str, ...]) -> bytes:
        if agents.calls == 3:
            link.send(request("deb_late"))  # while suspects are tried
        if batch and any(one.ask.debate_id == "deb_kill" for one in wire.decode_requests(batch).requests):
            return await dies(asker, batch, withdrawn)
        return await answers(asker, batch, withdrawn)

    received, agents = Received(), Agents(dies_of_one)
    link = links(agents, received)
    for number in range(20):
        link.send(request(f"deb_{number}"))
    link.send(request("deb_kill"))
    await received.count(22)
    failed = [reply.ask_id for reply in received.replies if isinstance(reply, AgentFailure)]
    assert failed == ["deb_kill/1/propose/ann"]
    assert set(received.ask_ids.values()) == {1}
    link.close()


@pytest.mark.usefixtures("paused")
async def test_an_agent_that_is_always_lost_is_given_up_with_all_that_it_had() -> None:
    received, agents = Received(), Agents(dies)
    link = links(agents, received)
    for number in range(50):
        link.send(request(f"deb_{number}"))
    await received.count(50)
    assert {reply.code for reply in received.replies if isinstance(reply, AgentFailure)} == {"agent_lost"}
    assert agents.calls == HOPELESS
    link.close()


async def test_suspects_that_nobody_answers_hold_others_up_no_longer_than_their_time(paused: list[int]) -> None:
    losses = 2

    async def forgets_the_first(asker: str, batch: bytes, withdrawn: tuple[str, ...]) -> bytes:
        nonlocal losses
        if batch and losses:
            losses -= 1
            return await dies(asker, batch, withdrawn)
        if batch and wire.decode_requests(batch).requests[0].ask.debate_id == "deb_1":
            return b""
        return await answers(asker, batch, withdrawn)

    received = Received()
    link = links(Agents(forgets_the_first), received)
    link.send(request("deb_1", timeout_s=2.0))
    await eventually(lambda: len(paused) >= 2)
    link.send(request("deb_2"))
    await received.count(1)
    assert set(received.ask_ids) == {"deb_2/1/propose/ann"}
    link.close()


async def test_an_exchange_that_breaks_on_a_defect_is_a_loss_and_not_silence(paused: list[int]) -> None:
    broken = True

    async def breaks(asker: str, batch: bytes, withdrawn: tuple[str, ...]) -> bytes:
        nonlocal broken
        if broken:
            broken = False
            return 5  # type: ignore[return-value]  # what no agent of ours answers
        return await answers(asker, batch, withdrawn)

    received = Received()
    link = links(Agents(breaks), received)
    link.send(request("deb_1"))
    await received.count(1)
    assert isinstance(received.replies[0], AgentAnswer)
    assert paused == [1]
    link.close()


async def test_an_agent_by_calls_learns_which_debates_are_followed_again_after_it_was_lost() -> None:
    received, agents = Received(), Agents(lost_at_first(1))
    onlookers = Onlookers({"deb_1"}, lambda _ask, _sign: None)
    link = AgentLinks("coordinator-0", runtime_over(agents), AgentShards(), received, onlookers)
    link.send(request("deb_1"))
    link.send(request("deb_2"))
    await received.count(2)
    assert agents.shown == ["deb_1", "deb_1"]
    link.close()
