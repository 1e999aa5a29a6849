"""The true cause is found in what providers say, wherever they say it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.agents import causes
from aragora.agents.causes import LASTING, code_of, remedy_of
from aragora.agents.model import LastingCause, error_of

# What providers really say: status, words, cause.
SAID = [
    (401, "Incorrect API key provided: sk-...", "wrong_key"),
    (400, "API key not valid. Please pass a valid API key. API_KEY_INVALID", "wrong_key"),
    (400, "Incorrect API key provided. invalid_request_error", "wrong_key"),
    (402, "Insufficient Balance", "no_credit"),
    (429, "You exceeded your current quota, please check your plan and billing details. insufficient_quota", "no_credit"),
    (400, "Your credit balance is too low to access the Anthropic API.", "no_credit"),
    (403, "Your newly created team doesn't have any credits yet.", "no_credit"),
    (403, "Country, region, or territory not supported", "not_allowed"),
    (404, "The model `gpt-9` does not exist or you do not have access to it. model_not_found", "unknown_model"),
    (404, "model: claude-nine not_found_error", "unknown_model"),
    (404, 'model "llama9" not found, try pulling it first', "unknown_model"),
    (400, "fake/model is not a valid model ID", "unknown_model"),
    (404, "404 page not found", "wrong_address"),
    (404, "Not Found", "wrong_address"),
    (404, "", "wrong_address"),
    (429, "Rate limit reached for requests", "rate_limited"),
    (400, "This model's maximum context length is 8192 tokens. However, you requested 9000.", "context_too_long"),
    (400, "prompt is too long: 210000 tokens > 200000 maximum", "context_too_long"),
    (400, "The input token count (40000) exceeds the maximum number of tokens allowed (32768).", "context_too_long"),
    (400, "the request exceeds the available context size, try increasing it", "context_too_long"),
    (413, "Request too large", "context_too_long"),
    (500, "the prompt is too long for the context window", "context_too_long"),
    (400, "The response was filtered due to the prompt triggering Azure OpenAI's content management policy", "refused_by_policy"),
    (400, "Invalid prompt: your prompt was flagged as potentially violating our usage policy", "refused_by_policy"),
    (500, "model requires more system memory (12.0 GiB) than is available (7.8 GiB)", "out_of_memory"),
    (500, "CUDA out of memory. Tried to allocate 2 GiB", "out_of_memory"),
    (500, "The model is overloaded. Please try again later.", "overloaded"),
    (529, "Overloaded", "overloaded"),
    (503, "Loading model", "overloaded"),
    (504, "", "timeout"),
    (500, "", "provider_fault"),
    (429, "Rate limit reached for gpt-4o on requests per min (RPM): Limit 3, Used 3. Please try again in 20s. You can increase your rate limit by adding a payment method at https://platform.openai.com/account/billing. requests rate_limit_exceeded", "rate_limited"),
    (429, "Rate limit reached for model `x` on tokens per day (TPD): Limit 100000. Please try again in 16m25s. Upgrade at https://console.groq.com/settings/billing", "rate_limited"),
    (429, "You exceeded your current quota, please check your plan and billing details. Please retry in 17.1s. RESOURCE_EXHAUSTED", "rate_limited"),
    (429, "Your account is suspended due to insufficient balance, please check your plan and billing details", "no_credit"),
    (400, "You have reached your specified API usage limits. You will regain access on 2027-01-01 at 00:00 UTC.", "no_credit"),
    (403, "Your team has either used all available credits or reached its monthly spending limit.", "no_credit"),
    (403, "Key limit exceeded (total limit). Manage it using https://openrouter.ai/settings/keys", "no_credit"),
    (400, "Budget has been exceeded! Current cost: 1.1, Max budget: 1.0 budget_exceeded", "no_credit"),
    (400, "Access denied, please make sure your account is in good standing. Arrearage", "no_credit"),
    (403, 'openai/gpt requires moderation on OpenAI. Your input was flagged for "violence". No credits were charged.', "refused_by_policy"),
    (403, "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_DATA_LEAKAGE", "refused_by_policy"),
    (400, "User location is not supported for the API use. FAILED_PRECONDITION", "not_allowed"),
    (400, "This organization has been disabled.", "not_allowed"),
    (404, "No endpoints found matching your data policy (Free model publication).", "not_allowed"),
    (404, "No endpoints found for a/b.", "unknown_model"),
    (403, "Your API key was reported as leaked. Please use another API key. PERMISSION_DENIED", "wrong_key"),
    (403, "Method doesn't allow unregistered callers (callers without established identity).", "wrong_key"),
    (400, "No models loaded. Please load a model in the developer page or use the `lms load` command.", "unknown_model"),
    (400, '"nomic-embed-text:latest" does not support chat', "unknown_model"),
    (404, "File Not Found not_found_error", "wrong_address"),
    (405, "Method Not Allowed", "wrong_address"),
    (500, "Unexpected endpoint or method. (POST /chat/completions)", "wrong_address"),
    (400, "The decoder prompt (length 5000) is longer than the maximum model length of 4096.", "context_too_long"),
    (500, "context shift is disabled", "context_too_long"),
    (400, "Model loading was stopped due to insufficient system resources.", "out_of_memory"),
    (400, "messages: at least one message is required", "rejected"),
    (400, "max_tokens is too large: 9000. This model supports at most 4096 completion tokens", "rejected"),
    (400, "Unsupported value: 'temperature' does not support 0.7 with this model.", "rejected"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "words", "code"), SAID, ids=[words[:40] for _, words, _ in SAID])
def test_what_providers_say_has_its_cause(status: int, words: str, code: str) -> None:
    assert code_of(status, words) == code


def test_every_cause_has_a_remedy_in_one_sentence() -> None:
    for code in {value for name, value in vars(causes).items() if name.isupper() and isinstance(value, str)}:
        assert remedy_of(code).endswith("."), code
    assert remedy_of("breaker_open") == ""
    assert remedy_of("never heard of") == ""


def test_the_causes_that_stay_have_errors_that_say_so() -> None:
    for _, _, code in SAID:
        assert issubclass(error_of(code), LastingCause) == (code in LASTING), code


@given(st.integers(-10, 1_000), st.text(max_size=3_000))
def test_whatever_is_said_has_a_cause_with_a_remedy(status: int, words: str) -> None:
    assert remedy_of(code_of(status, words))
