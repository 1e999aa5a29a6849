"""What providers really send where a stream of a good answer was expected: it is understood, or told with its cause."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs
from worlds.waiting import eventually

from aragora.agents.answering import Answering
from aragora.agents.causes import remedy_of
from aragora.debate.model import Abstention, AgentAnswer, AgentFailure, AskKind, Brief, Proposal
from tests.standins.odd_streams import ANSWER, DONE, chunk, completion, document, page, sse, usage
from tests.standins.providers import Behaviour, ProviderStandIn, Sent

from .conftest import request_for

pytestmark = pytest.mark.slow
Build = Callable[..., Answering]
PROPOSAL = Proposal("PostgreSQL. It is simple.", 0.8, ("a test",))
ALONE: Mapping[str, Any] = {"openrouter_api_key": None}
EACH = ["local", "anthropic-api", "mistral-api", "gemini"]


async def answered(
    build: Build, standin: ProviderStandIn, *sent: Sent | Behaviour, agent: str = "local"
) -> AgentAnswer:
    standin.next(*sent)
    reply = await build(agent, **ALONE).answer(request_for())
    assert isinstance(reply, AgentAnswer), reply
    return reply


async def failed(build: Build, standin: ProviderStandIn, *sent: Sent | Behaviour, agent: str = "local") -> AgentFailure:
    """The failure where every try ends with the last of these."""
    standin.next(*sent, *[sent[-1]] * 5)
    reply = await build(agent, **ALONE).answer(request_for())
    assert isinstance(reply, AgentFailure), reply
    return reply


# --- field 06: no finish reason


@pytest.mark.parametrize(
    "stream",
    [
        sse(chunk(ANSWER), usage(), DONE),
        sse(chunk(ANSWER[:9], ""), chunk(ANSWER[9:], ""), usage(), DONE),
        sse(chunk(ANSWER), {"choices": None, "usage": {"prompt_tokens": 100, "completion_tokens": 40}}, DONE),
    ],
    ids=["null", "empty", "no choices in the last"],
)
async def test_a_whole_answer_without_a_finish_reason_counts(
    stream: Sent, answering_of: Build, standin: ProviderStandIn
) -> None:
    reply = await answered(answering_of, standin, stream)
    assert reply.content == PROPOSAL
    assert (reply.usage.input_tokens, reply.usage.output_tokens, reply.usage.estimated) == (100, 40, False)
    assert not reply.remarks
    assert len(standin.seen) == 1


@pytest.mark.parametrize(
    "stream",
    [sse(chunk(ANSWER)), sse(chunk(f"```json\n{ANSWER}\n```")), sse(chunk(ANSWER), broken=True)],
    ids=["ends", "ends after a fence", "breaks"],
)
async def test_a_stream_that_ends_too_early_counts_with_a_remark_where_its_text_is_the_whole_object(
    stream: Sent, answering_of: Build, standin: ProviderStandIn
) -> None:
    reply = await answered(answering_of, standin, stream)
    assert reply.content == PROPOSAL
    assert reply.usage.estimated
    assert len(reply.remarks) == 1
    assert "local" in reply.remarks[0]
    assert len(standin.seen) == 1


@pytest.mark.parametrize("text", [ANSWER[:-20], f"I think of {ANSWER} but then"], ids=["half", "a draft in it"])
async def test_a_stream_that_ends_in_the_midst_is_cut(text: str, answering_of: Build, standin: ProviderStandIn) -> None:
    reply = await failed(answering_of, standin, sse(chunk(text)))
    assert reply.code == "broken_stream"
    assert "ended before the answer did" in reply.message
    assert "could not be reached" not in reply.message
    assert reply.usage is not None
    assert reply.usage.estimated


WITHOUT_END = {"local": 4, "mistral-api": 4, "anthropic-api": 7}  # the events of ANSWER before those that end it


@pytest.mark.parametrize("agent", WITHOUT_END)
async def test_a_cut_answer_of_any_provider_counts_where_it_is_whole(
    agent: str, answering_of: Build, standin: ProviderStandIn
) -> None:
    reply = await answered(answering_of, standin, Behaviour(text=ANSWER, cut_after=WITHOUT_END[agent]), agent=agent)
    assert reply.content == PROPOSAL
    assert reply.remarks


# --- field 07: a document instead of a stream


async def test_a_whole_document_is_read_as_the_answer_with_its_usage(
    answering_of: Build, standin: ProviderStandIn
) -> None:
    reply = await answered(answering_of, standin, document(completion()))
    assert reply.content == PROPOSAL
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (100, 40)
    assert len(standin.seen) == 1


@pytest.mark.parametrize("agent", ["mistral-api", "anthropic-api"])
async def test_a_whole_document_of_another_api_is_read_too(
    agent: str, answering_of: Build, standin: ProviderStandIn
) -> None:
    message = {
        "type": "message",
        "content": [{"type": "text", "text": ANSWER}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 100, "output_tokens": 40},
    }
    body = completion() if agent == "mistral-api" else message
    reply = await answered(answering_of, standin, document(body), agent=agent)
    assert reply.content == PROPOSAL
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (100, 40)


@pytest.mark.parametrize("agent", EACH)
async def test_an_error_document_with_status_200_gives_its_text(
    agent: str, answering_of: Build, standin: ProviderStandIn
) -> None:
    sent = document({"error": {"message": "model is overloaded, try later", "code": 503}})
    reply = await failed(answering_of, standin, sent, agent=agent)
    assert reply.code == "overloaded"
    assert "model is overloaded, try later" in reply.message


@pytest.mark.parametrize("agent", EACH)
async def test_a_web_page_is_told_as_one_and_asked_for_once(
    agent: str, answering_of: Build, standin: ProviderStandIn
) -> None:
    reply = await failed(answering_of, standin, page(), agent=agent)
    assert reply.code == "wrong_address"
    assert "answers with a web page, not with an API" in reply.message
    assert "Login required" not in reply.message
    assert len(standin.seen) == 1


async def test_an_empty_answer_to_a_call_is_told_as_one(answering_of: Build, standin: ProviderStandIn) -> None:
    reply = await failed(answering_of, standin, Sent(b"", content_type="text/event-stream"))
    assert reply.code == "broken_stream"
    assert "could not be reached" not in reply.message


# --- field 08: a parameter that is refused

PARAMETERS: dict[str, Callable[[Mapping[str, Any]], str | None]] = {
    "json_schema": lambda body: (
        "This response_format type is unavailable now"
        if body.get("response_format", {}).get("type") == "json_schema"
        else None
    ),
    "every response_format": lambda body: "Unknown parameter: 'response_format'" if "response_format" in body else None,
    "stream_options": lambda body: (
        "[{'loc': ['body', 'stream_options'], 'msg': 'extra fields not permitted'}]"
        if "stream_options" in body
        else None
    ),
    "the system role": lambda body: (
        "System role not supported" if any(turn["role"] == "system" for turn in body["messages"]) else None
    ),
    "max_tokens": lambda body: (
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
        if "max_tokens" in body
        else None
    ),
    "temperature": lambda body: (
        "Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value is supported."
        if "temperature" in body
        else None
    ),
    "streams": lambda body: (
        "Your organization must be verified to stream this model: unsupported value of 'stream'"
        if body.get("stream")
        else None
    ),
}


@pytest.mark.parametrize("parameter", PARAMETERS)
async def test_a_parameter_that_is_refused_is_left_out_once_and_for_all(
    parameter: str, answering_of: Build, standin: ProviderStandIn
) -> None:
    standin.refuses = PARAMETERS[parameter]
    standin.always = sse(chunk(ANSWER), usage(), DONE) if parameter != "streams" else document(completion())
    agent = answering_of("local", **ALONE)
    first = await agent.answer(request_for())
    tries = len(standin.seen)
    second = await agent.answer(request_for(AskKind.REVISE))
    assert isinstance(first, AgentAnswer), first
    assert isinstance(second, AgentAnswer)
    assert len(set(first.remarks)) == tries - 1
    assert not second.remarks
    assert tries == (3 if parameter == "every response_format" else 2)
    assert len(standin.seen) == tries + 1
    keys = {seen.headers["idempotency-key"] for seen in standin.seen}
    assert len(keys) == len(standin.seen), "no server may repeat its refusal out of its memory"
    assert "Why?" in str(standin.seen[-1].body)


async def test_several_refused_parameters_are_left_out_one_after_the_other(
    answering_of: Build, standin: ProviderStandIn
) -> None:
    standin.refuses = lambda body: next((words for one in PARAMETERS.values() if (words := one(body))), None)
    standin.always = document(completion())
    reply = await answering_of("local", **ALONE).answer(request_for())
    assert isinstance(reply, AgentAnswer), reply


async def test_a_400_that_goes_on_whatever_is_left_out_is_told_after_a_few_tries(
    answering_of: Build, standin: ProviderStandIn
) -> None:
    standin.refuses = lambda _: "This response_format type is unavailable now"
    reply = await answering_of("local", **ALONE).answer(request_for())
    assert isinstance(reply, AgentFailure)
    assert "This response_format type is unavailable now" in reply.message
    assert len(standin.seen) == 3


@pytest.mark.parametrize("agent", ["anthropic-api", "mistral-api", "gemini"])
async def test_a_structured_output_that_another_api_refuses_is_left_out_too(
    agent: str, answering_of: Build, standin: ProviderStandIn
) -> None:
    fields = {"anthropic-api": "output_config", "mistral-api": "response_format", "gemini": "responseJsonSchema"}
    name = fields[agent]
    standin.refuses = lambda body: f"{name}: Extra inputs are not permitted" if f"'{name}'" in str(body) else None
    standin.always = Behaviour(text=ANSWER)
    reply = await answering_of(agent, **ALONE).answer(request_for())
    assert isinstance(reply, AgentAnswer), reply
    assert reply.remarks


# --- field 10: where the cause is told

CAUSES: dict[str, tuple[Sent, str, str]] = {
    "error as a text": (
        document({"error": "model requires more system memory (12.0 GiB) than is available (7.8 GiB)"}, 500),
        "out_of_memory",
        "requires more system memory (12.0 GiB)",
    ),
    "detail as a list": (
        document({"detail": [{"loc": ["body", "messages"], "msg": "extra fields not permitted"}]}, 422),
        "rejected",
        "body.messages: extra fields not permitted",
    ),
    "detail as a text": (document({"detail": "the queue is full"}, 503), "overloaded", "the queue is full"),
    "a plain text": (
        Sent(b"context length exceeded: 9000 > 8192 tokens", 400, "text/plain"),
        "context_too_long",
        "9000 > 8192",
    ),
    "a stream of an error": (
        sse({"error": "model runner has unexpectedly stopped"}),
        "provider_fault",
        "model runner has unexpectedly stopped",
    ),
    "a region": (
        document({"error": {"message": "Country, region, or territory not supported"}}, 403),
        "not_allowed",
        "Country, region, or territory not supported",
    ),
    "no such model": (
        document({"error": {"message": "The model `fake-model` does not exist"}}, 404),
        "unknown_model",
        "The model `fake-model` does not exist",
    ),
    "no credit": (
        document({"error": {"message": "You requested up to 4096 tokens, but can only afford 1200"}}, 402),
        "no_credit",
        "can only afford 1200",
    ),
    "a quota that is used up": (
        document({"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}, 429),
        "no_credit",
        "You exceeded your current quota",
    ),
    "a low balance": (
        document({"error": {"message": "Your credit balance is too low to access the API"}}, 400),
        "no_credit",
        "credit balance is too low",
    ),
    "a model told as a bad request": (
        document({"message": "model 'x' not found, try pulling it first"}, 400),
        "unknown_model",
        "try pulling it first",
    ),
    "a filter": (
        document({"error": {"message": "The response was filtered", "code": "content_filter"}}, 400),
        "refused_by_policy",
        "The response was filtered",
    ),
    "a page of a gateway": (page(502), "provider_fault", "web page"),
    "too much at once": (document({"error": {"message": "slow down"}}, 429), "rate_limited", "slow down"),
    "a line that is no JSON": (sse(chunk("So"), "Internal Server Error"), "broken_stream", "Internal Server Error"),
    "a connection that breaks": (sse(chunk("So"), broken=True), "broken_stream", "broke in the midst of its answer"),
    "an error after some words": (
        sse(chunk("So"), {"error": {"message": "GPU fell off the bus", "code": 500}}),
        "provider_fault",
        "GPU fell off the bus",
    ),
}


@pytest.mark.parametrize("name", CAUSES)
async def test_the_providers_own_words_are_kept_with_our_remedy(
    name: str, answering_of: Build, standin: ProviderStandIn
) -> None:
    sent, code, words = CAUSES[name]
    reply = await failed(answering_of, standin, sent)
    assert (reply.code, words in reply.message) == (code, True), reply.message
    assert reply.message.endswith(remedy_of(code))
    assert "could not be reached" not in reply.message


@pytest.mark.parametrize("agent", EACH)
@pytest.mark.parametrize("name", ["detail as a text", "a plain text", "no credit", "no such model", "error as a text"])
async def test_every_provider_tells_its_cause_alike(
    agent: str, name: str, answering_of: Build, standin: ProviderStandIn
) -> None:
    sent, code, words = CAUSES[name]
    reply = await failed(answering_of, standin, sent, agent=agent)
    assert (reply.code, words in reply.message) == (code, True), reply.message


@pytest.mark.parametrize("agent", EACH)
async def test_nobody_listening_is_told_as_such(agent: str, answering_of: Build) -> None:
    nowhere = {f"{name}_base_url": "http://127.0.0.1:9" for name in ("local", "anthropic", "mistral", "gemini")}
    reply = await answering_of(agent, **ALONE, **nowhere).answer(request_for())
    assert isinstance(reply, AgentFailure)
    assert reply.code == "unreachable"
    assert "could not be reached" in reply.message


async def test_a_model_that_is_not_there_is_named(answering_of: Build, standin: ProviderStandIn) -> None:
    reply = await failed(
        answering_of, standin, document({"error": {"message": "no such thing"}}, 404), agent="openai-api"
    )
    assert reply.code == "unknown_model"
    assert "gpt-" in reply.message


@pytest.mark.parametrize("agent", EACH)
async def test_halves_of_an_emoji_in_two_pieces_are_joined(
    agent: str, answering_of: Build, standin: ProviderStandIn
) -> None:
    """The stand-in sends 24 characters an event; here the emoji stands across the end of the first one."""
    halves = '{"answer": "Cheers all!' + "\ud83c\udf79" + '", "evidence": [], "confidence": 0.5}'
    assert halves[23] == "\ud83c"
    reply = await answered(answering_of, standin, Behaviour(text=halves), agent=agent)
    assert isinstance(reply.content, Proposal)
    assert reply.content.text == "Cheers all!\U0001f379"
    assert len(standin.seen) == 1


async def test_bytes_of_an_emoji_in_two_events_are_joined(answering_of: Build, standin: ProviderStandIn) -> None:
    before, after = (json.dumps(chunk(f"{part}#")).encode() for part in ('{"answer": "Cheers ', '", "confidence": 1}'))
    emoji = "\U0001f379".encode()
    first, second = before.replace(b"#", emoji[:2]), after.replace(b'\\", ', emoji[2:] + b'\\", ').replace(b"#", b"")
    body = b"data: " + first + b"\n\ndata: " + second + b"\n\ndata: [DONE]\n\n"
    reply = await answered(answering_of, standin, Sent(body, content_type="text/event-stream"))
    assert isinstance(reply.content, Proposal)
    assert reply.content.text == "Cheers \U0001f379"


# --- prompts that are too long

_LLAMA: Mapping[str, Any] = {
    "message": "the request exceeds the available context size. try increasing the context size or enable context shift",
    "type": "exceed_context_size_error",
    "n_prompt_tokens": 14429,
    "n_ctx": 8192,
}


@pytest.mark.parametrize(
    "refusal",
    [
        document({"error": {"message": "This model's maximum context length is 8192 tokens. However, your messages "
                            "resulted in 14429 tokens.", "type": "invalid_request_error"}}, 400),
        document({"error": _LLAMA | {"code": 400}}, 400),
        sse({"error": _LLAMA | {"code": 500}}),
    ],
    ids=["OpenAI and vLLM", "llama.cpp", "llama.cpp in a stream"],
)  # fmt: skip
async def test_a_prompt_that_a_server_refuses_as_too_long_is_sent_once_more_with_less_and_that_is_told(
    refusal: Sent, answering_of: Build, standin: ProviderStandIn
) -> None:
    standin.next(refusal, sse(chunk(ANSWER), usage(), DONE), sse(chunk(ANSWER), usage(), DONE))
    request = replace(request_for(), brief=Brief("PostgreSQL or MySQL?", "A paragraph that says little.\n\n" * 1_400))
    agent = answering_of("local", **ALONE)
    for _ in range(2):
        reply = await agent.answer(request)
        assert isinstance(reply, AgentAnswer), reply
        assert "characters of the context" in reply.remarks[0]
    first, second, third = (len(str(seen.body["messages"])) for seen in standin.seen)
    assert second < first * 3 / 4
    assert third == second  # learned


# --- the end of an answer


async def test_an_answer_cut_at_its_limit_is_asked_for_once_more_with_more_room(
    answering_of: Build, standin: ProviderStandIn
) -> None:
    cut = sse(chunk(ANSWER[:30]), chunk(finish="length"), usage(), DONE)
    reply = await answered(answering_of, standin, cut)
    first, second = (seen.body for seen in standin.seen)
    assert second["max_tokens"] == 2 * first["max_tokens"]
    assert "shorter" in second["messages"][-1]["content"]
    assert [turn["role"] for turn in second["messages"]] == [turn["role"] for turn in first["messages"]]
    assert len(reply.remarks) == 1


@pytest.mark.parametrize("agent", EACH)
async def test_an_answer_that_stays_too_long_fails_with_the_limit_after_two_calls(
    agent: str, answering_of: Build, standin: ProviderStandIn
) -> None:
    reply = await failed(answering_of, standin, Behaviour(text=ANSWER[:40], finish="length"), agent=agent)
    assert reply.code == "cut_by_length"
    assert "4096" in reply.message
    assert "8192" in reply.message
    assert len(standin.seen) == 2


async def test_a_whole_answer_that_ends_at_its_limit_counts(answering_of: Build, standin: ProviderStandIn) -> None:
    reply = await answered(answering_of, standin, sse(chunk(ANSWER, "length"), usage(), DONE))
    assert reply.content == PROPOSAL
    assert reply.remarks
    assert len(standin.seen) == 1


async def test_all_tokens_gone_into_reasoning_is_told_so(answering_of: Build, standin: ProviderStandIn) -> None:
    thought = (
        chunk(None, reasoning_content="Let me think about it."),
        chunk(None, "length"),
        usage(completion_tokens=4096),
    )
    reply = await failed(answering_of, standin, sse(*thought, DONE))
    assert reply.code == "cut_by_length"
    assert "all 4096 tokens went into reasoning" in reply.message
    assert len(standin.seen) == 2


async def test_reasoning_alone_is_no_answer(answering_of: Build, standin: ProviderStandIn) -> None:
    thought = sse(chunk(None, reasoning_content="Let me think."), chunk("", "stop"), usage(), DONE)
    reply = await failed(answering_of, standin, thought)
    assert reply.code == "no_answer"
    assert "only reasoning" in reply.message
    assert len(standin.seen) == 2


async def test_reasoning_beside_an_answer_does_not_disturb_it(answering_of: Build, standin: ProviderStandIn) -> None:
    stream = sse(chunk("", reasoning_content="Hm."), chunk(ANSWER, "stop", reasoning_content=""), usage(), DONE)
    assert (await answered(answering_of, standin, stream)).content == PROPOSAL


@pytest.mark.parametrize(
    "sent",
    [
        sse(chunk([{"type": "thinking", "thinking": []}, {"type": "text", "text": ANSWER}], "stop"), DONE),
        document(completion([{"type": "text", "text": ANSWER[:8]}, {"type": "text", "text": ANSWER[8:]}])),
        sse(chunk(None), chunk(ANSWER, "stop", tool_calls=[]), DONE),
        sse(chunk(None, "tool_calls", tool_calls=[{"index": 0, "function": {"name": "f", "arguments": ANSWER}}]), DONE),
    ],
    ids=["parts with thoughts", "parts of a document", "empty tool calls", "an answer in a tool call"],
)
async def test_content_of_another_form_is_understood(sent: Sent, answering_of: Build, standin: ProviderStandIn) -> None:
    assert (await answered(answering_of, standin, sent)).content == PROPOSAL
    assert len(standin.seen) == 1


async def test_a_call_of_a_tool_alone_is_no_answer(answering_of: Build, standin: ProviderStandIn) -> None:
    call = chunk(None, "tool_calls", tool_calls=[{"index": 0, "function": {"name": "search", "arguments": ""}}])
    reply = await failed(answering_of, standin, sse(call, DONE))
    assert reply.code == "no_answer"
    assert "tool" in reply.message


@pytest.mark.parametrize(
    "sent",
    [
        sse(chunk(None, refusal="I cannot "), chunk(None, "stop", refusal="help with that."), usage(), DONE),
        document(completion(None, refusal="I cannot help with that.")),
        sse(chunk([{"type": "refusal", "refusal": "I cannot help with that."}], "stop"), DONE),
    ],
    ids=["in a stream", "in a document", "as a part"],
)
async def test_a_refusal_is_an_abstention_with_its_reason(
    sent: Sent, answering_of: Build, standin: ProviderStandIn
) -> None:
    reply = await answered(answering_of, standin, sent)
    assert reply.content == Abstention("I cannot help with that.")
    assert len(standin.seen) == 1


@pytest.mark.parametrize("agent", EACH)
async def test_an_answer_that_a_filter_stops_is_refused_by_policy(
    agent: str, answering_of: Build, standin: ProviderStandIn
) -> None:
    reply = await failed(answering_of, standin, Behaviour(text="So", finish="content_filter"), agent=agent)
    assert reply.code == "refused_by_policy"
    assert len(standin.seen) == 1


async def test_a_malformed_answer_is_not_paid_twice_when_its_repair_meets_an_outage(
    answering_of: Build, standin: ProviderStandIn
) -> None:
    standin.next(sse(chunk("Well.", "stop"), DONE), Behaviour(status=500), Behaviour(text=ANSWER))
    reply = await answering_of("local", **ALONE).answer(request_for())
    assert isinstance(reply, AgentAnswer), reply
    assert ["Well." in str(seen.body) for seen in standin.seen] == [False, True, True]


# --- a cause that stays


@pytest.mark.parametrize(
    ("status", "code"), [(401, "wrong_key"), (402, "no_credit"), (403, "not_allowed"), (404, "unknown_model")]
)
async def test_a_cause_that_stays_is_told_to_further_asks_without_another_call(
    status: int, code: str, answering_of: Build, standin: ProviderStandIn
) -> None:
    standin.next(*[document({"error": {"message": "told by the provider"}}, status)] * 9)
    agent = answering_of("openai-api", **ALONE)
    replies = [await agent.answer(request_for()) for _ in range(7)]
    assert {reply.code for reply in replies if isinstance(reply, AgentFailure)} == {code}
    assert all("told by the provider" in reply.message for reply in replies if isinstance(reply, AgentFailure))
    assert len(standin.seen) == 1


# --- what unfinished calls cost


async def test_a_silent_stream_whose_text_is_whole_counts_when_its_time_is_over(
    answering_of: Build, standin: ProviderStandIn
) -> None:
    agent = answering_of("local", **ALONE)
    await agent.answer(request_for())  # the SDK is imported
    standin.next(sse(chunk(ANSWER), silent=True))
    reply = await agent.answer(request_for(timeout_s=3.0))  # time enough for the text, on a busy machine too
    assert isinstance(reply, AgentAnswer), reply
    assert reply.usage.estimated


async def test_a_cancelled_ask_is_in_the_log_with_what_it_cost(answering_of: Build, standin: ProviderStandIn) -> None:
    agent = answering_of("openai-api", **ALONE)
    await agent.answer(request_for())
    standin.next(sse(chunk("So much text"), silent=True))
    with capture_logs() as lines:
        task = asyncio.create_task(agent.answer(request_for()))
        await eventually(lambda: len(standin.seen) == 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    (line,) = [line for line in lines if line["event"] == "agent=openai-api withdrawn"]
    assert line["input_tokens"] > 0
    assert line["cost_usd"] > 0
    assert line["estimated"]
