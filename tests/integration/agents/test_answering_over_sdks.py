"""Answering over the real SDKs: repair, fallback to OpenRouter, retry, and a breaker that opens."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aragora.agents.answering import Answering
from aragora.debate.model import AgentAnswer, AgentFailure
from tests.standins.providers import Behaviour, ProviderStandIn

from .conftest import request_for

pytestmark = pytest.mark.slow
Build = Callable[..., Answering]


@pytest.mark.parametrize("agent", ["anthropic-api", "openai-api", "mistral-api", "gemini", "grok"])
@pytest.mark.parametrize("status", [429, 529, 500])
async def test_openrouter_answers_for_a_provider_that_fails_and_is_told(
    agent: str, status: int, answering_of: Build, standin: ProviderStandIn
) -> None:
    standin.next(Behaviour(status=status, headers={"Retry-After": "60"}))
    reply = await answering_of(agent).answer(request_for())
    assert isinstance(reply, AgentAnswer)
    assert reply.fallback is not None
    assert reply.fallback.to_provider == "openrouter"
    assert reply.usage.provider == "openrouter"
    assert "/" in reply.fallback.model  # the name of the same model family there


async def test_a_malformed_answer_is_mended_over_the_wire(answering_of: Build, standin: ProviderStandIn) -> None:
    standin.next(Behaviour(text="Well, it depends."))
    reply = await answering_of("anthropic-api").answer(request_for())
    assert isinstance(reply, AgentAnswer)
    assert reply.fallback is None
    assert "Well, it depends." in str(standin.seen[1].body)


async def test_without_openrouter_a_short_retry_after_is_waited_for(
    answering_of: Build, standin: ProviderStandIn
) -> None:
    standin.next(Behaviour(status=429, headers={"Retry-After": "0"}))
    reply = await answering_of("openai-api", openrouter_api_key=None).answer(request_for())
    assert isinstance(reply, AgentAnswer)
    assert len(standin.seen) == 2


async def test_a_provider_that_keeps_failing_is_left_alone_and_openrouter_goes_on(
    answering_of: Build, standin: ProviderStandIn
) -> None:
    answering = answering_of("anthropic-api")
    reasons = []
    for number in range(7):
        if number < 5:
            standin.next(Behaviour(status=500))
        reply = await answering.answer(request_for())
        assert isinstance(reply, AgentAnswer)
        assert reply.fallback is not None
        reasons.append(reply.fallback.reason)
    assert reasons == ["provider_fault"] * 5 + ["breaker_open"] * 2
    assert sum("anthropic" in seen.path for seen in standin.seen) == 5


async def test_a_wrong_key_ends_in_a_failure_that_names_the_cause(answering_of: Build) -> None:
    reply = await answering_of("openai-api", openai_api_key="sk-wrong-0123456789abcdefgh").answer(request_for())
    assert isinstance(reply, AgentFailure)
    assert reply.code == "wrong_key"
    assert "key" in reply.message
    assert "sk-wrong" not in reply.message
