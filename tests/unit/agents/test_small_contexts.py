"""A model is shown what it has room for, and the reply says what it did not see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from aragora.agents import calls
from aragora.agents.answering import Answering
from aragora.agents.calls import tokens_of
from aragora.agents.model import AgentSpec, CallRefused, ContextTooLong, CutByLength, StreamBroken
from aragora.debate.model import AgentAnswer, AgentFailure, AgentRequest, AskKind, Brief, Candidate, Usage

from .conftest import GOOD_PROPOSAL, RecordingGate, ScriptedProvider

Build = Callable[..., Answering]
AskFor = Callable[..., AgentRequest]
LOCAL = AgentSpec("ann", "local", "m", max_tokens=1_024)
SMALL = replace(LOCAL, context_tokens=4_000)
LONG = "A paragraph of some length that says little.\n\n" * 400
PAID = Usage("local", "m", 10, 20, 0.25)
REFUSED = ContextTooLong("local answered 400: request (9000 tokens) exceeds the available context size (4096 tokens)")


def asked_with(ask: AskFor, context: str = LONG, question: str = "Is it simple?") -> AgentRequest:
    return replace(ask(), brief=Brief(question, context))


async def test_a_small_model_is_sent_what_it_has_room_for_and_the_answer_says_what_it_did_not_see(
    answering: Build, ask: AskFor
) -> None:
    provider = ScriptedProvider("local", [GOOD_PROPOSAL])
    reply = await answering(provider, spec=SMALL).answer(asked_with(ask))
    (call,) = provider.calls
    assert isinstance(reply, AgentAnswer)
    assert tokens_of(call) + call.max_tokens <= 4_000
    assert "characters shown]" in call.turns[0].text
    (remark,) = reply.remarks
    assert f"of {len(LONG):,} characters of the context" in remark


async def test_a_large_or_unknown_model_is_sent_all(answering: Build, ask: AskFor) -> None:
    for spec in (LOCAL, replace(LOCAL, context_tokens=200_000)):
        provider = ScriptedProvider("local", [GOOD_PROPOSAL])
        reply = await answering(provider, spec=spec).answer(asked_with(ask))
        assert isinstance(reply, AgentAnswer)
        assert reply.remarks == ()
        assert provider.calls[0].turns[0].text.count("A paragraph of some length") == 400
        assert provider.calls[0].max_tokens == 1_024


async def test_a_question_that_does_not_fit_fails_before_any_call_is_paid(
    answering: Build, ask: AskFor, gate: RecordingGate
) -> None:
    provider = ScriptedProvider("local", [])
    reply = await answering(provider, spec=SMALL).answer(asked_with(ask, question="Why? " * 4_000))
    assert isinstance(reply, AgentFailure)
    assert (reply.code, reply.usage, provider.calls, gate.told) == ("context_too_long", None, [], [])
    assert "larger context" in reply.message


async def test_the_answer_of_a_tiny_model_has_half_of_its_context_at_most(answering: Build, ask: AskFor) -> None:
    provider = ScriptedProvider("local", [GOOD_PROPOSAL])
    spec = replace(LOCAL, max_tokens=4_096, context_tokens=4_096)
    assert isinstance(await answering(provider, spec=spec).answer(asked_with(ask)), AgentAnswer)
    assert provider.calls[0].max_tokens == 2_048


async def test_a_server_teaches_what_its_model_takes_and_the_ask_is_made_once_more(
    answering: Build, ask: AskFor, gate: RecordingGate
) -> None:
    provider = ScriptedProvider("local", [REFUSED, GOOD_PROPOSAL, GOOD_PROPOSAL])
    agent = answering(provider, spec=LOCAL)
    reply = await agent.answer(asked_with(ask))
    assert isinstance(reply, AgentAnswer)
    first, second = provider.calls
    assert tokens_of(second) + second.max_tokens <= 4_096 < tokens_of(first)
    assert second.idempotency_key != first.idempotency_key
    assert "characters of the context" in reply.remarks[0]
    assert "asked once more, with less material" in reply.remarks[-1]
    assert gate.told == ["permit", "context_too_long", "permit", "succeeded"]
    again = await agent.answer(asked_with(ask))  # learned
    assert isinstance(again, AgentAnswer)
    assert len(provider.calls) == 3
    assert tokens_of(provider.calls[2]) == tokens_of(second)


async def test_a_number_that_stands_beside_the_words_is_learned_and_not_halved(answering: Build, ask: AskFor) -> None:
    refused = ContextTooLong("the request exceeds the available context size")
    refused.context_tokens = 6_000
    provider = ScriptedProvider("local", [refused, GOOD_PROPOSAL])
    reply = await answering(provider, spec=LOCAL).answer(asked_with(ask))
    assert isinstance(reply, AgentAnswer)
    first, second = provider.calls
    assert tokens_of(first) // 2 < tokens_of(second) <= 6_000 - second.max_tokens


async def test_a_prompt_that_was_refused_though_it_should_fit_is_made_smaller_all_the_same(
    answering: Build, ask: AskFor
) -> None:
    for words in ("the input length exceeds the context length", "9000 > 8192 tokens"):
        provider = ScriptedProvider("local", [ContextTooLong(words), GOOD_PROPOSAL])
        reply = await answering(provider, spec=LOCAL).answer(asked_with(ask))
        assert isinstance(reply, AgentAnswer)
        assert tokens_of(provider.calls[1]) <= tokens_of(provider.calls[0]) * 3 // 4


async def test_a_context_that_prompt_and_answer_share_leaves_the_answer_less(answering: Build, ask: AskFor) -> None:
    words = "'max_tokens' is too large: 4096. This model's maximum context length is 4096 tokens"
    provider = ScriptedProvider("local", [ContextTooLong(words), GOOD_PROPOSAL])
    spec = replace(LOCAL, max_tokens=4_096)
    reply = await answering(provider, spec=spec).answer(ask())
    assert isinstance(reply, AgentAnswer)
    assert [call.max_tokens for call in provider.calls] == [4_096, 2_048]
    assert len(reply.remarks) == 1


@pytest.mark.parametrize("second", ["prose", CutByLength("cut", heard="{", usage=PAID), REFUSED, CallRefused("400")])
async def test_less_material_is_the_one_repair(second: str | Exception, answering: Build, ask: AskFor) -> None:
    provider = ScriptedProvider("local", [REFUSED, second, GOOD_PROPOSAL])
    reply = await answering(provider, spec=LOCAL).answer(asked_with(ask))
    assert isinstance(reply, AgentFailure)
    assert len(provider.calls) == 2
    assert reply.code == ("malformed_answer" if isinstance(second, str) else getattr(second, "code", ""))


async def test_what_cannot_be_made_smaller_fails_with_its_cause_and_nothing_is_learned(
    answering: Build, ask: AskFor
) -> None:
    provider = ScriptedProvider("local", [ContextTooLong("maximum context length is 512 tokens"), GOOD_PROPOSAL])
    agent = answering(provider, spec=LOCAL)
    reply = await agent.answer(ask())
    assert isinstance(reply, AgentFailure)
    assert reply.code == "context_too_long"
    assert isinstance(await agent.answer(ask()), AgentAnswer)


async def test_a_longer_answer_has_no_more_than_the_context_leaves(answering: Build, ask: AskFor) -> None:
    cut = CutByLength("at the limit", heard="{", usage=PAID)
    provider = ScriptedProvider("local", [cut, GOOD_PROPOSAL])
    spec = replace(LOCAL, context_tokens=3_000)
    assert isinstance(await answering(provider, spec=spec).answer(ask()), AgentAnswer)
    assert 1_024 < provider.calls[1].max_tokens <= 3_000 - tokens_of(provider.calls[0])


async def test_a_malformed_answer_is_shown_again_only_as_far_as_it_fits(answering: Build, ask: AskFor) -> None:
    provider = ScriptedProvider("local", ["prose " * 5_000, GOOD_PROPOSAL])
    spec = replace(LOCAL, context_tokens=3_000)
    assert isinstance(await answering(provider, spec=spec).answer(ask()), AgentAnswer)
    assert tokens_of(provider.calls[1]) <= 3_000


async def test_a_fallback_with_a_larger_context_is_sent_all(answering: Build, ask: AskFor) -> None:
    own = ScriptedProvider("anthropic", [StreamBroken("cut")])
    fallback = ScriptedProvider("openrouter", [GOOD_PROPOSAL])
    spec = AgentSpec("a", "anthropic", "m", "anthropic/claude-sonnet-5.5", context_tokens=4_000)
    reply = await answering(own, fallback, spec=spec).answer(asked_with(ask))
    assert isinstance(reply, AgentAnswer)
    assert reply.remarks == ()
    assert tokens_of(fallback.calls[0]) > 4_000 > tokens_of(own.calls[0])


async def test_a_fallback_that_takes_too_little_hides_no_cause(
    answering: Build, ask: AskFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "context_tokens_of", lambda _provider, _model: 600)
    own, fallback = ScriptedProvider("anthropic", [StreamBroken("cut")]), ScriptedProvider("openrouter", [])
    spec = AgentSpec("a", "anthropic", "m", "anthropic/m", context_tokens=8_000)
    reply = await answering(own, fallback, spec=spec).answer(ask())
    assert isinstance(reply, AgentFailure)
    assert (reply.code, fallback.calls) == ("broken_stream", [])


async def test_a_ballot_of_long_answers_has_every_label_for_a_small_model(answering: Build, ask: AskFor) -> None:
    vote = '{"reason": "clear", "choice": "B", "confidence": 0.6}'
    request = ask(AskKind.VOTE)
    candidates = tuple(Candidate(label, f"Conclusion {label}. " + LONG) for label in "ABCDE")
    provider = ScriptedProvider("local", [vote])
    reply = await answering(provider, spec=SMALL).answer(replace(request, brief=Brief("Which?", candidates=candidates)))
    assert isinstance(reply, AgentAnswer)
    text = provider.calls[0].turns[0].text
    assert all(f"Conclusion {label}." in text for label in "ABCDE")
    assert "saw the beginnings of 5 of 5 answers" in reply.remarks[0]


async def test_a_provider_that_renders_itself_gets_the_brief_as_it_is(answering: Build, ask: AskFor) -> None:
    provider = ScriptedProvider("embedded", [GOOD_PROPOSAL])
    provider.renders_itself = True
    request = asked_with(ask)
    spec = AgentSpec("e", "embedded", "m", persona="You doubt.", context_tokens=300)
    assert isinstance(await answering(provider, spec=spec).answer(request), AgentAnswer)
    assert (provider.calls[0].request, provider.calls[0].turns) == (request, ())
