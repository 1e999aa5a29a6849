"""What Google's SDK hands on of an error is whatever Google sent."""

from __future__ import annotations

from typing import Any

import pytest
from google.genai.errors import ClientError

from aragora import limits
from aragora.agents.model import AgentSpec, ModelCall, ProviderRateLimited
from aragora.agents.providers.gemini import GeminiProvider
from aragora.agents.providers.received import Received

KEY = "AbCdEf-own-key"


def received() -> Received:
    return Received("gemini", "gemini-3.8-flash", ModelCall("", (), {}, "proposal", 100, 0.5, 5.0, "ask-1"))


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
