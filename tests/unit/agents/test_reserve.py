"""What an ask may cost: after the first call none is made that could pass its reserve."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import debating
from worlds.logical_time import LoopClock

from aragora.agents.answering import Answering
from aragora.agents.calls import Calls, tokens_of
from aragora.agents.causes import remedy_of
from aragora.agents.model import (
    NOBODY,
    AgentSpec,
    CallRefused,
    Completion,
    CutByLength,
    DeclaredPrice,
    ModelCall,
    NoAnswer,
    ProviderError,
    ProviderFault,
    ProviderOverloaded,
    StreamBroken,
)
from aragora.agents.pricing import Price, fallback_price, highest_price, own_price
from aragora.debate.model import AgentAnswer, AgentFailure, AgentRequest, Ask, AskKind, Brief, Reply, Usage
from aragora.limits import SYSTEM_MAX_CHARS
from aragora.resilience.backoff import Backoff

from .conftest import GOOD_PROPOSAL, SPEC, RecordingGate, ScriptedProvider

Build = Callable[..., Answering]
AskFor = Callable[..., AgentRequest]
Script = list[tuple[str | type[ProviderError], float]]
PAID = Usage("anthropic", "anthropic-model", 10, 20, 0.25)
DEAR = replace(SPEC, price=DeclaredPrice(10.0, 200.0), fallback_model=None)  # 1,024 tokens of output cost 0.2 USD


async def test_a_repair_that_could_pass_the_reserve_is_not_made_and_the_failure_says_so(
    answering: Build, ask: AskFor
) -> None:
    provider = ScriptedProvider("anthropic", ["prose", GOOD_PROPOSAL])
    reply = await answering(provider, spec=DEAR).answer(replace(ask(), reserved_usd=0.3))
    assert isinstance(reply, AgentFailure)
    assert (reply.code, len(provider.calls)) == ("budget", 1)
    assert "0.2500 of the 0.3000 USD" in reply.message
    assert reply.message.endswith(remedy_of("budget"))
    assert reply.usage is not None
    assert reply.usage.cost_usd == 0.25


async def test_with_enough_of_the_reserve_left_the_repair_is_made(answering: Build, ask: AskFor) -> None:
    provider = ScriptedProvider("anthropic", ["prose", GOOD_PROPOSAL])
    reply = await answering(provider, spec=DEAR).answer(replace(ask(), reserved_usd=0.6))
    assert isinstance(reply, AgentAnswer)
    assert [call.max_tokens for call in provider.calls] == [1024, 1024]


async def test_without_a_budget_nothing_holds_an_ask(answering: Build, ask: AskFor) -> None:
    provider = ScriptedProvider("anthropic", ["prose", GOOD_PROPOSAL])
    assert isinstance(await answering(provider, spec=DEAR).answer(ask()), AgentAnswer)


async def test_a_longer_answer_is_asked_for_as_far_as_the_reserve_pays(answering: Build, ask: AskFor) -> None:
    cut = CutByLength("anthropic ended its answer at the limit of 1024 tokens", heard="{", usage=PAID)
    provider = ScriptedProvider("anthropic", [cut, GOOD_PROPOSAL])
    reply = await answering(provider, spec=DEAR).answer(replace(ask(), reserved_usd=0.25 + 0.3))
    assert isinstance(reply, AgentAnswer)
    assert 1024 < provider.calls[1].max_tokens < 1500
    assert str(provider.calls[1].max_tokens) in reply.remarks[0]


async def test_a_retry_that_could_pass_the_reserve_is_not_made_and_the_cause_stays_the_providers(
    answering: Build, ask: AskFor
) -> None:
    provider = ScriptedProvider("anthropic", [StreamBroken("cut", usage=PAID), GOOD_PROPOSAL])
    reply = await answering(provider, spec=DEAR).answer(replace(ask(), reserved_usd=0.3))
    assert isinstance(reply, AgentFailure)
    assert (reply.code, len(provider.calls)) == ("broken_stream", 1)
    assert reply.message.startswith("cut; no other call was made, since 0.2500 of the 0.3000 USD")
    assert reply.message.endswith(remedy_of("broken_stream"))


async def test_a_fallback_that_could_pass_the_reserve_is_not_asked(answering: Build, ask: AskFor) -> None:
    own = ScriptedProvider("anthropic", [ProviderOverloaded("no capacity", usage=PAID)])
    fallback = ScriptedProvider("openrouter", [GOOD_PROPOSAL])
    reply = await answering(own, fallback).answer(replace(ask(), reserved_usd=0.251))
    assert isinstance(reply, AgentFailure)
    assert (reply.code, reply.fallback, fallback.calls) == ("overloaded", None, [])
    assert reply.message.startswith("no capacity; no other call was made, since 0.2500 of the 0.2510 USD")


async def test_a_fallback_whose_answer_cannot_be_mended_for_the_budget_keeps_the_first_cause(
    answering: Build, ask: AskFor
) -> None:
    own = ScriptedProvider("anthropic", [ProviderOverloaded("no capacity", usage=PAID)])
    fallback = ScriptedProvider("openrouter", ["prose", GOOD_PROPOSAL])
    reply = await answering(own, fallback).answer(replace(ask(), reserved_usd=0.501))
    assert isinstance(reply, AgentFailure)
    assert (reply.code, len(fallback.calls)) == ("overloaded", 1)
    assert "the fallback openrouter failed too" in reply.message
    assert "no other call was made" in reply.message


async def test_an_open_breaker_costs_nothing_so_the_fallback_is_the_first_call(
    answering: Build, ask: AskFor, gate: RecordingGate
) -> None:
    gate.refusals = 1
    fallback = ScriptedProvider("openrouter", [GOOD_PROPOSAL])
    reply = await answering(ScriptedProvider("anthropic", []), fallback).answer(replace(ask(), reserved_usd=0.0))
    assert isinstance(reply, AgentAnswer)


async def test_an_agent_that_costs_nothing_is_held_by_no_reserve(answering: Build, ask: AskFor) -> None:
    free = Usage("local", "m", 10, 20)
    provider = ScriptedProvider("local", [Completion("prose", free), Completion(GOOD_PROPOSAL, free)])
    reply = await answering(provider, spec=AgentSpec("a", "local", "m")).answer(replace(ask(), reserved_usd=0.0))
    assert isinstance(reply, AgentAnswer)


class Metered:
    """Plays its acts; each call costs some share of its bound, as a real one does."""

    renders_itself = False

    def __init__(self, name: str, price: Price, acts: Script) -> None:
        self.name = name
        self.costs: list[float] = []
        self._price = price
        self._acts = acts

    async def complete(self, call: ModelCall) -> Completion:
        act, share = self._acts[len(self.costs) % len(self._acts)]
        sent, answered = int(tokens_of(call) * share), int(call.max_tokens * share)
        usage = Usage(self.name, "m", sent, answered, self._price.most_usd(sent, answered))
        self.costs.append(usage.cost_usd)
        if isinstance(act, str):
            return Completion(act, usage)
        raise act("x", usage=usage, heard="{")

    async def aclose(self) -> None:
        return


acts = st.tuples(
    st.sampled_from(
        [GOOD_PROPOSAL, "prose", "{" * 30_000, ProviderFault, ProviderOverloaded, CutByLength, NoAnswer, CallRefused]
    ),
    st.floats(0.0, 1.0),
)
scripts = st.lists(acts, min_size=1, max_size=5)
specs = st.builds(
    AgentSpec,
    st.just("a"),
    st.just("openai"),
    st.just("m"),
    st.none() | st.just("openai/gpt-5.4"),
    max_tokens=st.integers(16, 8_000),
    price=st.builds(DeclaredPrice, st.floats(0.0, 20.0), st.floats(0.0, 100.0)),
    context_tokens=st.none() | st.integers(3_000, 40_000),
)


@given(spec=specs, own=scripts, other=scripts, reserved_usd=st.floats(0.0, 1.0))
@settings(max_examples=300, deadline=None)
def test_an_ask_costs_no_more_than_its_reserve_unless_its_first_call_alone_does(
    spec: AgentSpec, own: Script, other: Script, reserved_usd: float
) -> None:
    first = Metered("openai", own_price(spec), own)
    there = fallback_price(spec)
    second = None if there is None else Metered("openrouter", there, other)
    ask = Ask("d/1/propose/a", "d", "a", AskKind.PROPOSE, 1)

    async def answered() -> Reply:
        agent = Answering(
            spec, first, second, RecordingGate(), LoopClock(), backoff=Backoff(base_s=0.0, attempts=4), draw=lambda: 0.0
        )
        return await agent.answer(AgentRequest(ask, Brief("Is it?", "context " * 200), 30.0, reserved_usd))

    reply = asyncio.run(answered())
    costs = first.costs + (second.costs if second is not None else [])
    total = sum(costs)
    assert (reply.usage.cost_usd if reply.usage else 0.0) == pytest.approx(total)
    assert total <= max(reserved_usd, costs[0]) + 1e-9
    if isinstance(reply, AgentFailure) and reply.code == "budget":
        assert reply.message.endswith(remedy_of("budget"))


@pytest.mark.parametrize("persona", ["", "You doubt. " * (SYSTEM_MAX_CHARS // 11)])
def test_the_first_call_of_every_ask_of_a_debate_fits_into_what_the_debate_reserves_for_it(persona: str) -> None:
    spec = AgentSpec("claude", "anthropic", "claude-sonnet-4-6", "openai/gpt-5.5", persona=persona, max_tokens=500)
    price = highest_price(spec)
    assert price is not None
    debate = debating.spec_of(
        prices=dict.fromkeys(debating.AGENTS, price), budget_usd=1_000.0, context="A fact. " * 500
    )
    run = debating.start(debate).play()
    calls = Calls.own(spec, ScriptedProvider("anthropic", []), lambda _debate_id: "00112233445566ff")
    for request in run.requests:
        assert request.reserved_usd is not None
        call = calls.of(request, NOBODY, 30.0).call
        assert own_price(spec).most_usd(tokens_of(call), call.max_tokens) <= request.reserved_usd
