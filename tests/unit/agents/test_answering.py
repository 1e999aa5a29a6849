"""An agent answers every ask in time: over its provider, a repair, a retry or its fallback."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from worlds.logical_time import LoopClock, in_logical_time
from worlds.waiting import eventually

from aragora.agents.answering import Answering
from aragora.agents.calls import MOST_TOKENS
from aragora.agents.causes import remedy_of
from aragora.agents.gate import LeasedGate
from aragora.agents.model import (
    AgentSpec,
    AnswerMalformed,
    CallRefused,
    Completion,
    CutByLength,
    ModelCall,
    NoAnswer,
    NobodyListens,
    NoCredit,
    ProviderError,
    ProviderFault,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderRejected,
    ProviderTimedOut,
    StreamBroken,
    WrongKey,
)
from aragora.agents.pricing import prices_as_of
from aragora.clock import SystemClock
from aragora.debate.model import (
    Abstention,
    AgentAnswer,
    AgentFailure,
    AgentRequest,
    Ask,
    AskKind,
    Brief,
    Proposal,
    Usage,
)
from aragora.errors import AragoraError, InvalidInput, Unavailable
from aragora.resilience.backoff import Backoff, RetryBudget
from aragora.resilience.circuit_breaker import Lease, Permission, Report

from .conftest import GOOD_PROPOSAL, SPEC, RecordingGate, ScriptedProvider

Build = Callable[..., Answering]
AskFor = Callable[..., AgentRequest]
PAID = Usage("anthropic", "anthropic-model", 10, 20, 0.25)


async def test_a_good_answer_is_parsed_and_its_cost_and_latency_told(
    answering: Build, ask: AskFor, gate: RecordingGate
) -> None:
    reply = await answering(ScriptedProvider("anthropic", [GOOD_PROPOSAL])).answer(ask())
    assert isinstance(reply, AgentAnswer)
    assert reply.content == Proposal("Yes. It is simple.", 0.8, ("a test",))
    assert (reply.usage.input_tokens, reply.usage.output_tokens, reply.usage.cost_usd) == (10, 20, 0.25)
    assert reply.usage.latency_s > 0
    assert reply.fallback is None
    assert gate.told == ["permit", "succeeded"]


async def test_the_call_carries_prompt_schema_persona_and_the_ask_as_idempotency_key(
    answering: Build, ask: AskFor
) -> None:
    provider = ScriptedProvider("anthropic", [GOOD_PROPOSAL])
    await answering(provider, spec=AgentSpec("a", "anthropic", "m", persona="You are a skeptic.")).answer(
        ask(timeout_s=5.0)
    )
    (call,) = provider.calls
    assert call.system.startswith("You are a skeptic.")
    assert "Is it simple?" in call.turns[0].text
    assert call.schema_name == "proposal"
    assert call.idempotency_key == "deb_1/1/propose/anthropic-api"
    assert 0 < call.timeout_s <= 5.0


async def test_the_mark_of_a_prompt_is_the_agents_own_secret_and_in_nothing_but_the_prompt(
    answering: Build, ask: AskFor
) -> None:
    marks = set()
    for _ in range(2):  # two agents, the same ask
        own = ScriptedProvider("anthropic", [GOOD_PROPOSAL] * 2)
        agent = answering(own)
        replies = [await agent.answer(ask(AskKind.PROPOSE)) for _ in range(2)]
        (mark,) = {re.findall(r"<<<QUESTION ([0-9a-f]{16})", call.turns[0].text)[0] for call in own.calls}
        marks.add(mark)  # one a debate: what a provider caches of a prompt is of use
        assert mark not in repr(replies)
        assert mark not in own.calls[0].idempotency_key
    assert len(marks) == 2


async def test_answers_and_failures_are_lines_that_name_the_agent_and_a_flood_is_not(
    answering: Build, ask: AskFor
) -> None:
    agent = answering(ScriptedProvider("anthropic", [GOOD_PROPOSAL] * 300 + [CallRefused("wrong key")] * 300))
    with capture_logs() as lines:
        for _ in range(600):
            await agent.answer(ask(AskKind.PROPOSE))
    answered = [line for line in lines if line["event"] == "agent=anthropic-api answered"]
    failed = [line for line in lines if line["event"] == "agent=anthropic-api failed"]
    assert 50 <= len(answered) < 300
    assert 50 <= len(failed) < 300
    assert (answered[0]["tokens"], answered[0]["ask"], answered[0]["debate_id"]) == (30, "propose", "deb_1")
    assert failed[0]["code"] == CallRefused("").code


async def test_a_malformed_answer_is_mended_once_and_both_calls_are_paid(
    answering: Build, ask: AskFor, gate: RecordingGate
) -> None:
    provider = ScriptedProvider("anthropic", ["I think yes!", GOOD_PROPOSAL])
    reply = await answering(provider).answer(ask())
    assert isinstance(reply, AgentAnswer)
    assert reply.usage.cost_usd == 0.5
    roles = [turn.role for turn in provider.calls[1].turns]
    assert roles == ["user", "assistant", "user"]
    assert provider.calls[1].turns[1].text == "I think yes!"
    assert gate.told == ["permit", "succeeded", "permit", "succeeded"]


async def test_an_answer_that_stays_malformed_fails_without_fallback_and_without_blaming_the_provider(
    answering: Build, ask: AskFor, gate: RecordingGate
) -> None:
    fallback = ScriptedProvider("openrouter", [GOOD_PROPOSAL])
    reply = await answering(ScriptedProvider("anthropic", ["no", "still no"]), fallback).answer(ask())
    assert isinstance(reply, AgentFailure)
    assert reply.code == AnswerMalformed.code
    assert reply.usage is not None
    assert reply.usage.cost_usd == 0.5
    assert not fallback.calls
    assert AnswerMalformed.code not in gate.told


@pytest.mark.parametrize(
    "error",
    [ProviderRateLimited("429"), ProviderOverloaded("529"), ProviderFault("500"), ProviderTimedOut("slow")],
    ids=lambda error: error.code,
)
async def test_a_failing_provider_is_replaced_by_the_fallback_which_is_told(
    error: ProviderError, answering: Build, ask: AskFor, gate: RecordingGate
) -> None:
    fallback = ScriptedProvider("openrouter", [GOOD_PROPOSAL])
    reply = await answering(ScriptedProvider("anthropic", [error]), fallback).answer(ask())
    assert isinstance(reply, AgentAnswer)
    assert reply.fallback is not None
    assert (reply.fallback.from_provider, reply.fallback.to_provider) == ("anthropic", "openrouter")
    assert (reply.fallback.reason, reply.fallback.model) == (error.code, "openrouter-model")
    assert reply.usage.provider == "openrouter"
    assert gate.told == ["permit", error.code]


async def test_an_open_breaker_goes_straight_to_the_fallback(
    answering: Build, ask: AskFor, gate: RecordingGate
) -> None:
    gate.refusals = 1
    own, fallback = ScriptedProvider("anthropic", []), ScriptedProvider("openrouter", [GOOD_PROPOSAL])
    reply = await answering(own, fallback).answer(ask())
    assert isinstance(reply, AgentAnswer)
    assert reply.fallback is not None
    assert reply.fallback.reason == "breaker_open"
    assert not own.calls


async def test_an_open_breaker_without_fallback_is_a_failure_that_costs_nothing(
    answering: Build, ask: AskFor, gate: RecordingGate
) -> None:
    gate.refusals = 1
    reply = await answering(ScriptedProvider("anthropic", [])).answer(ask())
    assert isinstance(reply, AgentFailure)
    assert (reply.code, reply.usage) == ("breaker_open", None)


@pytest.mark.parametrize("error", [ProviderRejected("wrong key"), CallRefused("too long")], ids=["key", "size"])
async def test_a_call_that_is_wrong_itself_is_neither_repeated_nor_sent_elsewhere(
    error: ProviderError, answering: Build, ask: AskFor
) -> None:
    own, fallback = ScriptedProvider("anthropic", [error]), ScriptedProvider("openrouter", [GOOD_PROPOSAL])
    reply = await answering(own, fallback).answer(ask())
    assert isinstance(reply, AgentFailure)
    assert reply.code == "rejected"
    assert (len(own.calls), len(fallback.calls)) == (1, 0)


async def test_a_fallback_that_fails_too_is_told_with_both_causes(answering: Build, ask: AskFor) -> None:
    own = ScriptedProvider("anthropic", [ProviderOverloaded("no capacity", usage=Usage("anthropic", "m", 5, 0, 0.1))])
    fallback = ScriptedProvider("openrouter", [ProviderFault("down")])
    reply = await answering(own, fallback).answer(ask())
    assert isinstance(reply, AgentFailure)
    assert reply.code == "overloaded"
    assert "no capacity" in reply.message
    assert "down" in reply.message
    assert reply.fallback is not None
    assert reply.fallback.to_provider == "openrouter"
    assert reply.usage is not None
    assert reply.usage.cost_usd == 0.1


async def test_without_a_fallback_transient_errors_are_retried(
    answering: Build, ask: AskFor, gate: RecordingGate
) -> None:
    provider = ScriptedProvider("anthropic", [ProviderFault("500"), ProviderOverloaded("529"), GOOD_PROPOSAL])
    reply = await answering(provider).answer(ask())
    assert isinstance(reply, AgentAnswer)
    assert gate.told == ["permit", "provider_fault", "permit", "overloaded", "permit", "succeeded"]


async def test_retries_end_with_the_attempts(answering: Build, ask: AskFor) -> None:
    provider = ScriptedProvider("anthropic", [ProviderFault("500")] * 9)
    reply = await answering(provider).answer(ask())
    assert isinstance(reply, AgentFailure)
    assert len(provider.calls) == 3


async def test_retries_end_with_the_budget(answering: Build, ask: AskFor) -> None:
    provider = ScriptedProvider("anthropic", [ProviderFault("500")] * 9)
    agent = answering(provider, budget=RetryBudget(capacity=1.0, deposit=0.0))
    await agent.answer(ask())
    await agent.answer(ask())
    assert len(provider.calls) == 3  # two for the first ask, one for the second


@in_logical_time
async def test_a_retry_after_beyond_the_time_left_is_not_waited_for(answering: Build, ask: AskFor) -> None:
    provider = ScriptedProvider("anthropic", [ProviderRateLimited("429", retry_after_s=60.0)])
    reply = await answering(provider).answer(ask(timeout_s=5.0))
    assert isinstance(reply, AgentFailure)
    assert reply.code == "rate_limited"
    assert asyncio.get_running_loop().time() == 0.0


@in_logical_time
async def test_a_silent_provider_costs_no_more_than_the_asks_time(
    answering: Build, ask: AskFor, gate: RecordingGate
) -> None:
    reply = await answering(ScriptedProvider("anthropic", [30.0])).answer(ask(timeout_s=0.2))
    assert isinstance(reply, AgentFailure)
    assert reply.code == "timeout"
    assert asyncio.get_running_loop().time() <= 0.2
    assert gate.told == ["permit", "timeout"]


@in_logical_time
async def test_a_silent_provider_leaves_its_fallback_time_to_answer(answering: Build, ask: AskFor) -> None:
    fallback = ScriptedProvider("openrouter", [GOOD_PROPOSAL])
    reply = await answering(ScriptedProvider("anthropic", [30.0]), fallback).answer(ask(timeout_s=0.2))
    assert isinstance(reply, AgentAnswer)
    assert reply.fallback is not None
    assert reply.fallback.reason == "timeout"


@in_logical_time
async def test_a_gate_that_hangs_costs_no_more_than_the_asks_time(answering: Build, ask: AskFor) -> None:
    class HangingGate(RecordingGate):
        async def permit(self) -> None:
            await asyncio.Event().wait()

    reply = await answering(ScriptedProvider("anthropic", []), through=HangingGate()).answer(ask(timeout_s=0.1))
    assert isinstance(reply, AgentFailure)
    assert reply.code == "timeout"


async def test_an_unexpected_error_becomes_a_failure_that_does_not_repeat_its_text(
    answering: Build, ask: AskFor
) -> None:
    reply = await answering(ScriptedProvider("anthropic", [KeyError("sk-secret")] * 3)).answer(ask())
    assert isinstance(reply, AgentFailure)
    assert reply.code == "provider_fault"
    assert "KeyError" in reply.message
    assert "sk-secret" not in reply.message


@in_logical_time
async def test_a_cancelled_answer_is_cancelled(answering: Build, ask: AskFor) -> None:
    provider = ScriptedProvider("anthropic", [30.0])
    task = asyncio.create_task(answering(provider).answer(ask()))
    await eventually(lambda: provider.calls)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_vote_for_a_label_is_a_ballot(answering: Build, ask: AskFor) -> None:
    vote = json.dumps({"reason": "It is clearer.", "choice": "B", "confidence": 0.6})
    reply = await answering(ScriptedProvider("anthropic", [vote])).answer(ask(AskKind.VOTE, labels="AB"))
    assert isinstance(reply, AgentAnswer)
    assert getattr(reply.content, "choice", None) == "B"


async def test_closing_closes_both_providers(answering: Build) -> None:
    own, fallback = ScriptedProvider("anthropic", []), ScriptedProvider("openrouter", [])
    await answering(own, fallback).aclose()
    assert own.closed
    assert fallback.closed


acts = st.sampled_from(
    [GOOD_PROPOSAL, "garbage", ProviderFault("x"), ProviderRateLimited("x", retry_after_s=0.0), ProviderRejected("x"),
     ProviderOverloaded("x", usage=Usage("anthropic", "m", 1, 1, 0.25)), RuntimeError("x"), CallRefused("x"),
     CutByLength("x", usage=PAID, heard="{"), NoAnswer("x", usage=PAID), StreamBroken("x", usage=PAID, heard="{}")]
)  # fmt: skip


@given(own=st.lists(acts, min_size=8, max_size=8), other=st.none() | st.lists(acts, min_size=8, max_size=8))
@settings(max_examples=150, deadline=None)
def test_whatever_the_providers_do_there_is_one_reply_to_the_ask_and_no_money_is_lost(
    own: list[str | Exception | float], other: list[str | Exception | float] | None
) -> None:
    first = ScriptedProvider("anthropic", own)
    second = ScriptedProvider("openrouter", other) if other is not None else None
    agent = Answering(
        AgentSpec("a", "anthropic", "m"), first, second, RecordingGate(), SystemClock(),
        backoff=Backoff(base_s=0.0), draw=lambda: 0.0,
    )  # fmt: skip
    request = AgentRequest(Ask("deb_1/1/propose/a", "deb_1", "a", AskKind.PROPOSE, 1), Brief("Is it?"), 5.0)
    reply = asyncio.run(agent.answer(request))
    assert reply.ask_id == request.ask.ask_id
    played = own[: len(first.calls)] + (other or [])[: len(second.calls) if second else 0]
    paid = sum(0.25 for act in played if isinstance(act, str) or getattr(act, "usage", None))
    assert (reply.usage.cost_usd if reply.usage else 0.0) == pytest.approx(paid)
    assert len(first.calls) <= 6
    assert second is None or len(second.calls) <= 2


@pytest.mark.parametrize(
    "error",
    [
        InvalidInput("ANTHROPIC_API_KEY is not set"),
        Unavailable("reading a circuit breaker: the database failed", code="storage_unavailable"),
    ],
    ids=lambda error: error.code,
)
async def test_an_error_of_our_own_keeps_its_own_code_and_is_never_blamed_on_the_provider(
    answering: Build, ask: AskFor, gate: RecordingGate, error: AragoraError
) -> None:
    reply = await answering(ScriptedProvider("anthropic", [error])).answer(ask())
    assert isinstance(reply, AgentFailure)
    assert (reply.code, reply.message) == (error.code, error.message)
    assert gate.told == ["permit"]


async def test_half_a_character_in_a_malformed_answer_is_not_sent_back_to_the_model(
    answering: Build, ask: AskFor
) -> None:
    provider = ScriptedProvider("anthropic", ["Sorry \ud83d, no JSON", GOOD_PROPOSAL])
    reply = await answering(provider).answer(ask())
    assert isinstance(reply, AgentAnswer)
    provider.calls[1].turns[1].text.encode()


async def test_a_retry_is_a_line_in_the_log_with_its_cause(answering: Build, ask: AskFor) -> None:
    agent = answering(ScriptedProvider("anthropic", [ProviderRateLimited("openai answered 429"), GOOD_PROPOSAL]))
    with capture_logs() as logged:
        assert isinstance(await agent.answer(ask()), AgentAnswer)
    (line,) = [line for line in logged if line["event"] == "agent=anthropic-api tries again"]
    assert (line["log_level"], line["code"], line["retry_in_s"]) == ("info", "rate_limited", 0.0)


async def test_a_model_without_a_price_of_its_own_is_told_once(answering: Build, ask: AskFor) -> None:
    agent = answering(ScriptedProvider("anthropic", [GOOD_PROPOSAL] * 3))  # of the model anthropic-model
    with capture_logs() as logged:
        for _ in range(3):
            await agent.answer(ask())
    (line,) = [line for line in logged if "without a price of its own" in line["event"]]
    assert (line["model"], line["prices_as_of"]) == ("anthropic-model", prices_as_of())


@in_logical_time
async def test_an_answer_is_not_lost_while_its_breaker_hangs() -> None:
    class Hanging:
        async def permit(self) -> Permission:
            return Lease(0, 100.0, outstanding=True)

        async def report(self, _: Report) -> Permission:
            await asyncio.Event().wait()
            raise AssertionError

    clock = LoopClock()
    agent = Answering(SPEC, ScriptedProvider("anthropic", [2.5]), None, LeasedGate(Hanging(), clock), clock)
    ask = Ask("deb_1/1/propose/a", "deb_1", "a", AskKind.PROPOSE, 1)
    assert isinstance(await agent.answer(AgentRequest(ask, Brief("Is it?"), 3.0)), AgentAnswer)


# --- answers that are not what was asked for


CUT = CutByLength("anthropic ended its answer at the limit of 1024 tokens", heard='{"answer": "so', usage=PAID)


async def test_an_answer_that_was_cut_gets_more_room_once_and_the_record_says_so(
    answering: Build, ask: AskFor, gate: RecordingGate
) -> None:
    provider = ScriptedProvider("anthropic", [CUT, GOOD_PROPOSAL])
    reply = await answering(provider).answer(ask())
    assert isinstance(reply, AgentAnswer)
    assert [call.max_tokens for call in provider.calls] == [1024, 2048]
    assert [len(call.turns) for call in provider.calls] == [1, 1]
    assert "shorter" in provider.calls[1].turns[-1].text
    assert "limit of 1024 tokens" in reply.remarks[0]
    assert "2048" in reply.remarks[0]
    assert reply.usage.cost_usd == 0.5
    assert gate.told == ["permit", "succeeded", "permit", "succeeded"]


@pytest.mark.parametrize(("most", "then"), [(MOST_TOKENS - 1, MOST_TOKENS), (2 * MOST_TOKENS, 2 * MOST_TOKENS)])
async def test_the_room_is_bounded_and_never_smaller_than_it_was(
    answering: Build, ask: AskFor, most: int, then: int
) -> None:
    provider = ScriptedProvider("anthropic", [CUT, GOOD_PROPOSAL])
    await answering(provider, spec=replace(SPEC, max_tokens=most)).answer(ask())
    assert provider.calls[1].max_tokens == then


async def test_a_cut_answer_fails_with_its_limit_where_more_room_is_refused(answering: Build, ask: AskFor) -> None:
    provider = ScriptedProvider("anthropic", [CUT, CallRefused("max_tokens is too large")])
    reply = await answering(provider).answer(ask())
    assert isinstance(reply, AgentFailure)
    assert reply.code == "cut_by_length"
    assert "1024" in reply.message


@pytest.mark.parametrize("second", [CUT, NoAnswer("nothing"), "prose", "no JSON at all"], ids=lambda act: str(act)[:9])
@pytest.mark.parametrize("first", [CUT, NoAnswer("nothing"), "prose"], ids=lambda act: str(act)[:9])
async def test_there_is_one_repair_of_any_kind(
    first: str | ProviderError, second: str | ProviderError, answering: Build, ask: AskFor
) -> None:
    provider = ScriptedProvider("anthropic", [first, second, GOOD_PROPOSAL])
    reply = await answering(provider).answer(ask())
    assert isinstance(reply, AgentFailure)
    assert len(provider.calls) == 2


async def test_a_retry_after_a_repair_repeats_the_repair_and_not_what_was_paid_for(
    answering: Build, ask: AskFor
) -> None:
    provider = ScriptedProvider("anthropic", ["prose", ProviderFault("500"), GOOD_PROPOSAL])
    reply = await answering(provider).answer(ask())
    assert isinstance(reply, AgentAnswer)
    assert [len(call.turns) for call in provider.calls] == [1, 3, 3]
    assert reply.usage.cost_usd == 0.5


@in_logical_time
async def test_without_time_for_a_repair_the_first_cause_is_told(answering: Build, ask: AskFor) -> None:
    class Slow(ScriptedProvider):
        async def complete(self, call: ModelCall) -> Completion:
            await asyncio.sleep(4.895)
            return await super().complete(call)

    reply = await answering(Slow("anthropic", ["prose", GOOD_PROPOSAL])).answer(ask(timeout_s=5.0))
    assert isinstance(reply, AgentFailure)
    assert reply.code == "malformed_answer"


async def test_a_refusal_in_the_models_own_words_is_an_abstention(answering: Build, ask: AskFor) -> None:
    refused = Completion("", PAID, refusal="I will not vote on this.")
    reply = await answering(ScriptedProvider("anthropic", [refused])).answer(ask(AskKind.VOTE, labels="AB"))
    assert isinstance(reply, AgentAnswer)
    assert reply.content == Abstention("I will not vote on this.")
    assert reply.usage.cost_usd == 0.25


async def test_a_refusal_to_group_is_a_malformed_answer(answering: Build, ask: AskFor) -> None:
    refused = Completion("", PAID, refusal="I will not.")
    provider = ScriptedProvider("anthropic", [refused, refused])
    reply = await answering(provider).answer(ask(AskKind.GROUP, labels="AB"))
    assert isinstance(reply, AgentFailure)
    assert reply.code == "malformed_answer"
    assert "I will not." in provider.calls[1].turns[1].text


@pytest.mark.parametrize(
    "error",
    [
        StreamBroken("the stream ended too early", heard=f"```json\n{GOOD_PROPOSAL}\n```\n", usage=PAID),
        ProviderTimedOut("too slow", heard=GOOD_PROPOSAL, usage=PAID),
        CutByLength("at the limit", heard=GOOD_PROPOSAL, usage=PAID),
    ],
    ids=lambda error: error.code,
)
async def test_what_came_before_a_failure_counts_where_it_is_whole(
    error: ProviderError, answering: Build, ask: AskFor, gate: RecordingGate
) -> None:
    fallback = ScriptedProvider("openrouter", [])
    reply = await answering(ScriptedProvider("anthropic", [error]), fallback).answer(ask())
    assert isinstance(reply, AgentAnswer)
    assert reply.fallback is None
    assert error.told in reply.remarks[0]
    assert reply.usage.cost_usd == 0.25
    assert gate.told == ["permit", "succeeded"]


async def test_an_account_without_credit_leads_to_the_fallback_which_has_its_own(answering: Build, ask: AskFor) -> None:
    fallback = ScriptedProvider("openrouter", [GOOD_PROPOSAL])
    reply = await answering(ScriptedProvider("anthropic", [NoCredit("402")]), fallback).answer(ask())
    assert isinstance(reply, AgentAnswer)
    assert reply.fallback is not None
    assert reply.fallback.reason == "no_credit"


async def test_a_cause_that_stays_is_not_tried_again(answering: Build, ask: AskFor, gate: RecordingGate) -> None:
    provider = ScriptedProvider("anthropic", [WrongKey("401")] * 3)
    reply = await answering(provider).answer(ask())
    assert isinstance(reply, AgentFailure)
    assert reply.message == f"401. {remedy_of('wrong_key')}"
    assert gate.told == ["permit", "wrong_key"]


async def test_an_estimated_count_is_marked_in_the_reply_and_in_the_failure(answering: Build, ask: AskFor) -> None:
    guessed = replace(PAID, estimated=True)
    acts = [Completion("prose", guessed), GOOD_PROPOSAL, StreamBroken("cut", usage=guessed), CallRefused("400")]
    agent = answering(ScriptedProvider("anthropic", acts))
    answer, failure = await agent.answer(ask()), await agent.answer(ask())
    assert isinstance(answer, AgentAnswer)
    assert answer.usage.estimated
    assert isinstance(failure, AgentFailure)
    assert failure.usage is not None
    assert failure.usage.estimated


@in_logical_time
async def test_a_cancelled_ask_is_in_the_log_with_what_its_call_has_cost(answering: Build, ask: AskFor) -> None:
    provider = ScriptedProvider("anthropic", ["prose", 30.0])
    provider.spent = replace(PAID, estimated=True)
    with capture_logs() as logged:
        task = asyncio.create_task(answering(provider).answer(ask()))
        await eventually(lambda: len(provider.calls) == 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    (line,) = [line for line in logged if line["event"] == "agent=anthropic-api withdrawn"]
    assert (line["cost_usd"], line["input_tokens"], line["estimated"]) == (0.5, 20, True)


@in_logical_time
async def test_a_call_that_does_not_end_by_itself_has_cost_something_too(answering: Build, ask: AskFor) -> None:
    provider = ScriptedProvider("anthropic", [30.0])
    provider.spent = PAID
    reply = await answering(provider).answer(ask(timeout_s=1.0))
    assert isinstance(reply, AgentFailure)
    assert reply.usage is not None
    assert reply.usage.cost_usd == 0.25


class Begun(NobodyListens):
    """Counts the calls of an ask."""

    def __init__(self) -> None:
        self.calls = 0

    def begins(self) -> None:
        self.calls += 1


async def test_who_listens_learns_of_every_call_whether_it_repairs_or_is_the_fallbacks(
    answering: Build, ask: AskFor
) -> None:
    repaired, fallen_back = Begun(), Begun()
    await answering(ScriptedProvider("anthropic", ["no JSON", GOOD_PROPOSAL])).answer(ask(), repaired)
    own = ScriptedProvider("anthropic", [ProviderOverloaded("full")])
    other = ScriptedProvider("openrouter", [GOOD_PROPOSAL])
    await answering(own, other).answer(ask(), fallen_back)
    assert (repaired.calls, fallen_back.calls) == (2, 2)
    assert other.calls[0].listener is fallen_back


@pytest.mark.parametrize("error", [RuntimeError("a defect of an SDK"), AragoraError("of our own")])
async def test_a_call_that_ends_by_an_error_nobody_foresaw_has_cost_something_too(
    answering: Build, ask: AskFor, error: Exception
) -> None:
    provider = ScriptedProvider("anthropic", [error])
    provider.spent = PAID
    spec = replace(SPEC, fallback_model=None)
    reply = await answering(provider, spec=spec, budget=RetryBudget(0.0, 0.0)).answer(ask())
    assert isinstance(reply, AgentFailure)
    assert reply.usage is not None
    assert reply.usage.cost_usd == 0.25
