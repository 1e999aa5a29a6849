"""What Google's SDK hands on of an error is whatever Google sent."""

from __future__ import annotations

from typing import Any

import pytest
from google.genai.errors import ClientError
from google.genai.types import GenerateContentResponse

from aragora import limits
from aragora.agents.model import AgentSpec, Completion, ModelCall, ProviderError, ProviderRateLimited
from aragora.agents.providers.gemini import GeminiProvider, _Received
from aragora.agents.providers.received import Received

KEY = "AbCdEf-own-key"
CALL = ModelCall("", (), {}, "proposal", 100, 0.5, 5.0, "ask-1")


def received() -> Received:
    return Received("gemini", "gemini-3.8-flash", CALL)


@pytest.mark.parametrize(
    ("error", "wait_s"),
    [
        ({"message": {"a": 1}}, None),
        ({"message": 12}, None),
        ({"message": "wait", "details": 5}, None),
        ({"message": "wait", "details": {"retryDelay": "3s"}}, None),
        ({"message": "wait", "details": [5, {"retryDelay": "soon"}, {"retryDelay": "17s"}]}, 17.0),
        ({"message": "wait", "details": [{"retryDelay": "nans"}]}, None),
        ({"message": "wait", "details": [{"retryDelay": "-3s"}]}, None),
        ({"message": "wait", "details": [{"retryDelay": "1e300s"}]}, limits.RETRY_AFTER_MAX_S),
    ],
    ids=str,
)
def test_an_error_of_any_form_is_told_with_a_wait_within_bounds(error: dict[str, Any], wait_s: float | None) -> None:
    provider = GeminiProvider(AgentSpec("gemini", "gemini", "gemini-3.8-flash"), KEY, "http://nowhere")
    failure = provider._failure(ClientError(429, {"error": {"code": 429} | error}), received())
    assert isinstance(failure, ProviderRateLimited)
    assert failure.retry_after_s == wait_s


def test_its_own_key_is_taken_out_of_what_google_says() -> None:
    provider = GeminiProvider(AgentSpec("gemini", "gemini", "gemini-3.8-flash"), KEY, "http://nowhere")
    failure = provider._failure(ClientError(400, {"error": {"code": 400, "message": f"bad {KEY}"}}), received())
    assert KEY not in failure.message


USAGE = {"prompt_token_count": 10, "candidates_token_count": 5}


def ended(*candidates: dict[str, Any], **chunk: Any) -> Completion:
    heard = _Received("gemini-3.8-flash", CALL)
    told = {"usage_metadata": USAGE, "candidates": list(candidates)} | chunk
    heard.take(GenerateContentResponse.model_validate(told))
    return heard.completion()


def said(text: str | None, finish: str | None = "STOP", **more: Any) -> dict[str, Any]:
    """A candidate."""
    content = {} if text is None else {"content": {"role": "model", "parts": [{"text": text} | more]}}
    return {"index": 0, "finish_reason": finish} | content


@pytest.mark.parametrize(
    ("candidates", "chunk", "code", "told"),
    [
        *(
            ((said(None, reason),), {}, "refused_by_policy", f"a filter stopped the answer ({reason})")
            for reason in ("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII")
        ),
        ((said("{", "SAFETY"),), {}, "refused_by_policy", "stopped the answer (SAFETY)"),
        ((), {"prompt_feedback": {"block_reason": "SAFETY"}}, "refused_by_policy", "stopped the question (SAFETY)"),
        ((), {"prompt_feedback": {"block_reason": "OTHER"}}, "refused_by_policy", "stopped the question (OTHER)"),
        ((said(None, "MALFORMED_FUNCTION_CALL"),), {}, "no_answer", "called a tool that it was not given"),
        ((said(None, "UNEXPECTED_TOOL_CALL"),), {}, "no_answer", "called a tool that it was not given"),
        ((said(None, "LANGUAGE"),), {}, "no_answer", "it ended with LANGUAGE"),
        ((said(None, "OTHER"),), {}, "no_answer", "it ended with OTHER"),
        ((said(None),), {}, "no_answer", "its text is empty"),
        ((said("hm", thought=True),), {}, "no_answer", "only reasoning"),
        ((said(None, "MAX_TOKENS"),), {}, "cut_by_length", "all 5 tokens went into reasoning"),
        ((said('{"an', "MAX_TOKENS"),), {}, "cut_by_length", "limit of 100 tokens"),
        ((), {}, "broken_stream", "ended before the answer did"),
        ((said('{"an', None),), {}, "broken_stream", "ended before the answer did"),
    ],
    ids=str,
)
def test_an_answer_that_is_none_has_its_true_cause(
    candidates: tuple[dict[str, Any], ...], chunk: dict[str, Any], code: str, told: str
) -> None:
    with pytest.raises(ProviderError) as failed:
        ended(*candidates, **chunk)
    assert failed.value.code == code
    assert told in failed.value.told


@pytest.mark.parametrize(
    "candidates",
    [
        (said("Tea."),),
        (said("Tea."), said("Coffee.") | {"index": 1}),
        (said("Tea."), said(None, "SAFETY") | {"index": 1}),
        (said("Tea.") | {"index": None},),
    ],
    ids=["one", "two", "a second that was stopped", "one without a number"],
)
def test_the_first_candidate_is_the_answer(candidates: tuple[dict[str, Any], ...]) -> None:
    assert ended(*candidates).text == "Tea."


def test_thoughts_are_not_said_and_without_counts_the_tokens_are_estimated() -> None:
    parts = [{"text": "hm hm", "thought": True}, {"text": "Tea."}]
    completion = ended({"content": {"parts": parts}, "finish_reason": "STOP"}, usage_metadata=None)
    assert (completion.text, completion.usage.estimated) == ("Tea.", True)


def test_an_answer_in_the_call_of_a_function_is_found() -> None:
    part = {"function_call": {"name": "proposal", "args": {"answer": "Tea."}}}
    completion = ended({"content": {"parts": [part]}, "finish_reason": "STOP"})
    assert completion.text == '{"answer": "Tea."}'
    assert completion.remarks
