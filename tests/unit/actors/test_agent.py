"""The actor of an agent: each ask is answered once, wherever its reply goes, unless its debate is withdrawn."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from worlds.memory_engine import answer
from worlds.waiting import WAIT_S, eventually

from actors import agent as module
from actors.agent import AgentActor
from actors.channels import agent_outlets
from actors.channels.agent_outlets import Mailbox
from aragora.agents import signs as signs_module
from aragora.agents import wire
from aragora.agents.model import AgentSpec, Listener
from aragora.agents.signs import Sign
from aragora.config.settings import Settings
from aragora.debate.model import AgentFailure, AgentRequest, Ask, AskKind, Brief, Reply


class Answering:
    """Answers once `go` is set; counts what it is asked."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.asked: list[str] = []
        self.listeners: dict[str, Listener] = {}
        self.defect: Exception | None = None

    async def answer(self, request: AgentRequest, listener: Listener) -> Reply:
        self.asked.append(request.ask.ask_id)
        self.listeners[request.ask.ask_id] = listener
        await self.go.wait()
        if self.defect is not None:
            raise self.defect
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
        return [reply.ask_id for reply in await self.replies(asker, batch, withdrawn)]

    async def replies(self, asker: str, batch: bytes, withdrawn: tuple[str, ...] = ()) -> list[Reply]:
        raw = await self.actor.exchange(asker, batch, withdrawn)
        return wire.decode_replies(raw) if raw else []

    async def signs(self, asker: str, shown: tuple[str, ...] = ()) -> list[Sign]:
        """Those that come back, and which debates are to be shown from now on."""
        raw = await self.actor.exchange(asker, b"", (), shown)
        return wire.decode_told(raw).signs if raw else []


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


async def test_an_agent_that_cannot_be_made_of_the_settings_answers_every_ask_with_that(agent: Agent) -> None:
    agent.actor._answering = None  # and no agent has the name ann
    batch = wire.encode_requests([request("deb_1"), request("deb_2")]).raw
    for _ in range(2):  # it is tried again, and breaks nothing
        first, second = await agent.replies("coordinator", batch)
        assert isinstance(first, AgentFailure)
        assert isinstance(second, AgentFailure)
        assert first.code == "unknown_agent"
        assert "ann" in first.message


async def test_a_defect_while_answering_is_a_failure_that_does_not_repeat_its_text(agent: Agent) -> None:
    agent.answering.defect = KeyError("sk-secret")
    agent.answering.go.set()
    (reply,) = await agent.replies("coordinator", wire.encode_requests([request("deb_1")]).raw)
    assert isinstance(reply, AgentFailure)
    assert "KeyError" in reply.message
    assert "sk-secret" not in reply.message
    assert not agent.actor._busy()


async def test_an_ask_that_cannot_be_read_is_answered_with_a_failure_and_its_neighbour_with_an_answer(
    agent: Agent,
) -> None:
    agent.answering.go.set()
    strange = {"ask": {"ask_id": "deb_2/1/propose/ann", "agent": "ann"}, "brief": 12.0}
    replies = await agent.replies("coordinator", msgspec.msgpack.encode([request("deb_1"), strange]))
    replies += await agent.replies("coordinator", b"")
    failed = {reply.ask_id: reply.code for reply in replies if isinstance(reply, AgentFailure)}
    assert failed == {"deb_2/1/propose/ann": "malformed_ask"}
    assert len(replies) == 2


async def test_a_mailbox_that_nobody_empties_keeps_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_outlets, "WAITING", 3)
    mailbox = Mailbox()
    for number in range(10):
        mailbox.put(answer(request(f"deb_{number}")))
    assert [reply.ask_id[:5] for reply in (await mailbox.take(0.0)).replies] == ["deb_7", "deb_8", "deb_9"]
    assert await mailbox.take(0.0) == wire.Told([], [])


class Made:
    """Stands for an `Answering`: what it was made of, and whether it was closed."""

    def __init__(self, spec: AgentSpec, *_: object) -> None:
        self.spec = spec
        self.go = asyncio.Event()
        self.closed = asyncio.Event()

    async def answer(self, request: AgentRequest, _: Listener) -> Reply:
        await self.go.wait()
        return answer(request)

    async def aclose(self) -> None:
        self.closed.set()


async def test_an_agent_that_is_declared_otherwise_answers_so_from_the_next_ask_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made: list[Made] = []

    def answering(spec: AgentSpec, *others: object) -> Made:
        made.append(Made(spec, *others))
        return made[-1]

    def declare(model: str) -> None:
        (tmp_path / "agents.toml").write_text(f"[agents.ann]\nprovider = 'local'\nmodel = '{model}'\n")

    monkeypatch.setattr(module, "POLL_S", 0.01)
    monkeypatch.setattr(module, "Answering", answering)
    declare("one")
    actor = AgentActor("ann#3", Settings(data_dir=tmp_path, local_base_url="http://localhost:1/v1"))  # type: ignore[call-arg]
    batches = [wire.encode_requests([request(f"deb_{number}")]).raw for number in range(4)]
    await actor.exchange("asker", batches[0])
    declare("another")
    await actor.exchange("asker", batches[1])
    await actor.exchange("asker", batches[2])
    assert [one.spec.model for one in made] == ["one", "another"]
    assert not made[0].closed.is_set(), "it is still answering what it was asked before"
    for one in made:
        one.go.set()
    async with asyncio.timeout(WAIT_S):
        await made[0].closed.wait()
    assert not made[1].closed.is_set()
    (tmp_path / "agents.toml").write_text("")
    replies = wire.decode_replies(await actor.exchange("asker", batches[3]))
    failures = [reply for reply in replies if isinstance(reply, AgentFailure)]
    assert [failure.code for failure in failures] == ["unknown_agent"]


async def test_what_it_writes_goes_to_the_coordinator_where_somebody_follows(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_S", WAIT_S)
    first, second = request("deb_1"), request("deb_2")
    monkeypatch.setattr(agent_outlets, "SIGNS_EVERY_S", 0.01)
    async with asyncio.timeout(WAIT_S):
        asking = asyncio.create_task(agent.exchange("coordinator", first, second))
        while len(agent.answering.listeners) < 2:
            await asyncio.sleep(0)
        for listener in agent.answering.listeners.values():
            listener.begins()
            listener.hears('{"answer":"Tea')
        told = await agent.signs("coordinator", shown=("deb_1",))
        assert told == [Sign(first.ask.ask_id, "Tea", 0, 1)]
        agent.answering.listeners[first.ask.ask_id].hears(" is better")
        agent.answering.go.set()
        assert set(await agent.exchange("coordinator")) == {first.ask.ask_id, second.ask.ask_id}
        await asking
    monkeypatch.setattr(module, "POLL_S", 0.3)
    assert await agent.signs("coordinator") == [], (
        "the answer is there: what was written before it is not sent any more"
    )


async def test_signs_of_life_go_to_the_coordinator_though_nobody_follows(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_S", WAIT_S)
    monkeypatch.setattr(signs_module, "ALIVE_EVERY_S", 0.0)
    asking = asyncio.create_task(agent.exchange("before", request("deb_1")))
    while not agent.answering.listeners:
        await asyncio.sleep(0)
    agent.answering.listeners["deb_1/1/propose/ann"].lives()
    assert await asking == [], "the call returns with the sign alone"
    agent.answering.go.set()
    assert await agent.exchange("before") == ["deb_1/1/propose/ann"]


async def test_signs_that_came_while_no_call_waited_are_fetched_by_the_next_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(agent_outlets, "SIGNS_EVERY_S", 0.0)
    mailbox, sign = Mailbox(), Sign("ask", "", 0, 1)
    mailbox.show(sign)
    await eventually(lambda: mailbox._signs_due)
    assert await asyncio.wait_for(mailbox.take(10 * WAIT_S), WAIT_S) == wire.Told([], [sign])


def test_a_mailbox_holds_so_many_signs_and_no_more() -> None:
    async def run() -> wire.Told:
        mailbox = Mailbox()
        for number in range(2 * agent_outlets.SIGNS):
            mailbox.show(Sign(f"ask {number}", "", 0, 1))
        return await mailbox.take(5.0)

    assert len(asyncio.run(run()).signs) == agent_outlets.SIGNS
