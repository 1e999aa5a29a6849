"""Whatever JSON a provider sends, every ask ends with exactly one reply that can be stored, and no link is lost.

Real SDKs, answering, agent, wire, socket and link; only the network to the provider is none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from worlds import odd_provider as odd
from worlds.actors_without_ray import runtime_over
from worlds.odd_provider import ABSENT, OddProvider
from worlds.odd_replies import odd_numbers, replies
from worlds.waiting import WAIT_S, eventually

from actors.agent import AgentActor
from actors.agent_shards import AgentShards
from actors.channels import sockets
from actors.channels.agent_links import AgentLinks
from aragora import limits
from aragora.agents import wire
from aragora.agents.answering import Answering
from aragora.agents.gate import LeasedGate, LocalBreaker
from aragora.agents.model import AgentSpec, CallRefused, ModelCall, Provider, ProviderTimedOut, Turn
from aragora.clock import SystemClock
from aragora.config.settings import Settings
from aragora.debate.model import AgentAnswer, AgentFailure, AgentRequest, Ask, AskKind, Brief, Proposal, Reply, Usage
from aragora.encoding import encode
from aragora.resilience.backoff import Backoff

ODD = "The odd question?"


@pytest.fixture(autouse=True)
def on_this_node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ARAGORA_RUN_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(sockets, "this_node", lambda: "here")


class Exchange:
    """An agent over an odd provider, and the link of a coordinator to it."""

    def __init__(self, provider: Provider) -> None:
        self.received: list[Reply] = []
        self.connected: list[str] = []
        self.actor = AgentActor("ann", Settings())
        clock = SystemClock()
        self.actor._answering = Answering(
            AgentSpec("ann", provider.name, "gpt-5.4", max_tokens=100),
            provider,
            None,
            LeasedGate(LocalBreaker(clock), clock),
            clock,
            backoff=Backoff(base_s=0.0, attempts=2),
        )
        runtime = runtime_over(self.actor, self.connected)
        self.links = AgentLinks("coordinator-0", runtime, AgentShards(), self._receive)

    async def answers(self, *questions: str) -> list[Reply]:
        """The replies to asks of as many debates, in the order of the questions."""
        for number, question in enumerate(questions):
            ask = Ask(f"deb_{number}/1/propose/ann", f"deb_{number}", "ann", AskKind.PROPOSE, 1)
            self.links.send(AgentRequest(ask, Brief(question), WAIT_S))
        await eventually(lambda: len(self.received) >= len(questions))
        for _ in range(3):
            await asyncio.sleep(0)
        assert len({reply.ask_id for reply in self.received}) == len(self.received) == len(questions)
        assert self.connected == ["agent/ann"], "the link was never lost"
        return sorted(self.received, key=lambda reply: reply.ask_id)

    async def aclose(self) -> None:
        self.links.close()
        await self.actor._close()

    def _receive(self, _: str, replies: Sequence[Reply]) -> None:
        self.received += replies


def one_odd(reply: Callable[[], odd.Reply]) -> OddProvider:
    return OddProvider(lambda body: reply() if ODD in body else None)


async def exchanged(provider: Provider, *questions: str) -> list[Reply]:
    exchange = Exchange(provider)
    try:
        return await exchange.answers(*questions)
    finally:
        await exchange.aclose()


def check(usage: Usage | None) -> None:
    if usage is not None:
        assert type(usage.input_tokens) is type(usage.output_tokens) is int
        assert 0 <= usage.input_tokens <= limits.REPLY_MAX_TOKENS
        assert 0 <= usage.output_tokens <= limits.REPLY_MAX_TOKENS
        assert 0.0 <= usage.cost_usd <= limits.REPLY_MAX_USD


PROVIDERS: dict[str, Callable[[OddProvider], Provider]] = {
    "chat": OddProvider.chat_provider,
    "anthropic": OddProvider.anthropic_provider,
    "mistral": OddProvider.mistral_provider,
}


@pytest.mark.parametrize("sdk", PROVIDERS)
@given(reply=replies)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(reply=odd.failure(500, {"error": {"message": "boom \ud83d\x00"}}))
@example(reply=odd.failure(429, {"error": {"message": "wait", "code": 10**400}}, {"retry-after-ms": "9" * 5_000}))
@example(reply=odd.chat("[" * 100_000))
@example(reply=odd.chat('{"answer": ' + "9" * 5_000 + "}"))
@example(reply=odd.stream({"error": {"message": "half \ud83d", "code": 10**400}}))
def test_whatever_a_provider_sends_each_ask_ends_once_and_no_other_is_touched(sdk: str, reply: odd.Reply) -> None:
    provider = one_odd(lambda: odd.Reply(reply.status_code, content=reply.content, headers=reply.headers))
    first, second, third = asyncio.run(exchanged(PROVIDERS[sdk](provider), "One?", ODD, "Two?"))
    assert isinstance(first, AgentAnswer)
    assert isinstance(third, AgentAnswer)
    check(second.usage)
    encode(second)
    assert wire.decode_replies(wire.encode_replies([second])) == [second]


@pytest.mark.parametrize("told", odd_numbers, ids=lambda told: "absent" if told is ABSENT else f"{told}"[:20])
@pytest.mark.parametrize("field", ["prompt_tokens", "completion_tokens", "cost", None], ids=str)
async def test_a_count_that_is_none_never_loses_the_answer_nor_makes_it_free(field: str | None, told: Any) -> None:
    counts = {"prompt_tokens": 100, "completion_tokens": 40, "cost": 0.25}
    if told is ABSENT:
        usage = ABSENT if field is None else {name: value for name, value in counts.items() if name != field}
    else:
        usage = told if field is None else counts | {field: told}
    provider = one_odd(lambda: odd.chat(usage=usage))
    (reply,) = await exchanged(provider.chat_provider(), ODD)
    assert isinstance(reply, AgentAnswer)
    assert reply.content == Proposal("Yes. It is simple.", 0.8, ("a test",))
    check(reply.usage)
    assert reply.usage.input_tokens > 0
    assert reply.usage.output_tokens > 0
    assert reply.usage.cost_usd > 0
    if field == "prompt_tokens" and told in (12.0, 40.5):
        assert reply.usage.input_tokens == round(told)
        assert not reply.usage.estimated
    if field in ("prompt_tokens", "completion_tokens", None) and told in (None, ABSENT, "n/a", -100):
        assert reply.usage.estimated


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ('{"answer": "half \\ud83d of it", "evidence": ["\\udc00"], "confidence": 0.5}', "half � of it"),
        ('{"answer": "a\\u0000b", "evidence": [], "confidence": 0.5}', "ab"),
        ('{"answer": "raw \ud83d half", "evidence": [], "confidence": 0.5}', "raw � half"),
        ('Well: {"answer": "a\x00b\\u001b[2J", "evidence": "x", "confidence": 5}', "ab[2J"),
    ],
    ids=["escaped half", "escaped NUL", "raw half", "raw NUL and an escape"],
)
async def test_an_odd_character_does_not_lose_the_answer(told: str, kept: str) -> None:
    (reply,) = await exchanged(one_odd(lambda: odd.chat(told)).chat_provider(), ODD)
    assert isinstance(reply, AgentAnswer)
    assert isinstance(reply.content, Proposal)
    assert reply.content.text == kept


@pytest.mark.parametrize("sdk", PROVIDERS)
async def test_a_malformed_answer_with_half_a_character_can_be_repaired(sdk: str) -> None:
    serve = odd.messages if sdk == "anthropic" else odd.chat
    provider = OddProvider(lambda body: None if "not the wanted form" in body else serve("Sorry \ud83d, no JSON"))
    (reply,) = await exchanged(PROVIDERS[sdk](provider), ODD)
    assert isinstance(reply, AgentAnswer)
    assert len(provider.asked) == 2


@pytest.mark.parametrize("sdk", ["chat", "anthropic"])  # Mistral's SDK has its own way with halves
async def test_a_prompt_with_half_a_character_is_no_fault_of_the_provider(sdk: str) -> None:
    provider = PROVIDERS[sdk](OddProvider(lambda _: None))
    turns = (Turn("user", "half \ud83d"),)
    call = ModelCall("system", turns, {"type": "object"}, "proposal", 100, 0.5, WAIT_S, "an-ask")
    with pytest.raises(CallRefused, match="half of a character"):
        await provider.complete(call)


@pytest.mark.parametrize("sdk", PROVIDERS)
@pytest.mark.parametrize("began", [True, False], ids=["after some words", "before any word"])
async def test_a_call_that_is_cut_off_by_time_has_cost_something(sdk: str, began: bool) -> None:
    provider = PROVIDERS[sdk](OddProvider(lambda _: odd.endless(sdk == "anthropic", began)))
    turns = (Turn("user", "How much?"),)
    call = ModelCall("system", turns, {"type": "object"}, "proposal", 100, 0.5, 1.0, "an-ask")
    with pytest.raises(ProviderTimedOut) as late:
        await provider.complete(call)
    usage = late.value.usage
    assert usage is not None
    assert usage.input_tokens > 0
    assert bool(usage.output_tokens) == began
    assert usage.cost_usd > 0
    assert usage.estimated


@pytest.mark.parametrize("name", ["half \ud83d", "a\x00b", "", None, 12, ["m"], "x" * 5_000], ids=repr)
async def test_a_model_whose_name_cannot_be_used_is_told_as_none(name: Any) -> None:
    provider = OddProvider(lambda _: None, model=name)
    (reply,) = await exchanged(provider.chat_provider("local", ""), ODD)
    assert isinstance(reply, AgentFailure)
    assert "offers no model" in reply.message
    assert not provider.asked


async def test_an_answer_without_end_is_cut_off() -> None:
    endless = ({"choices": [{"index": 0, "delta": {"content": "x" * 50_000}}]},) * 10
    provider = one_odd(lambda: odd.chat(more=endless))
    (reply,) = await exchanged(provider.chat_provider(), ODD)
    assert isinstance(reply, AgentFailure)
    assert reply.code == "malformed_answer"
    assert "longer than" in reply.message
    assert len(provider.asked) == 1
    check(reply.usage)


async def test_what_anthropic_counts_is_believed_as_little() -> None:
    usage = {"input_tokens": 12.0, "cache_read_input_tokens": "many", "output_tokens": -5}
    (reply,) = await exchanged(one_odd(lambda: odd.messages(usage=usage)).anthropic_provider(), ODD)
    assert isinstance(reply, AgentAnswer)
    check(reply.usage)
    assert reply.usage.cost_usd > 0


@pytest.mark.parametrize(
    "usage",
    [ABSENT, None, {}, {"prompt_tokens": 12.0}, {"completion_tokens": -5}],
    ids=["absent", "null", "empty", "fraction", "negative"],
)
async def test_what_mistral_does_not_count_is_not_free(usage: Any) -> None:
    (reply,) = await exchanged(one_odd(lambda: odd.chat(usage=usage)).mistral_provider(), ODD)
    assert isinstance(reply, AgentAnswer)
    check(reply.usage)
    assert reply.usage.input_tokens > 0
    assert reply.usage.output_tokens > 0
    assert reply.usage.cost_usd > 0
