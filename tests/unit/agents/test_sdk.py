"""Failures of a provider become one of few errors, without any key; clients are built once."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.agents.causes import remedy_of
from aragora.agents.model import (
    CallRefused,
    ContextTooLong,
    ModelCall,
    NoCredit,
    NotAllowed,
    ProviderError,
    ProviderFault,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderRejected,
    ProviderTimedOut,
    RefusedByPolicy,
    Turn,
    UnknownModel,
    WrongKey,
)
from aragora.agents.providers.received import Received
from aragora.agents.providers.sdk import Failures, LazyClient

OWN_KEY = "own-key-of-no-known-form"
FAILURES = Failures("openai", OWN_KEY)
CALL = ModelCall("You debate.", (Turn("user", "Why?"),), {}, "proposal", 100, 0.5, 5.0, "ask-1")


def received() -> Received:
    return Received("openai", "gpt-5.4", CALL)


def answered(status: int, body: object, headers: Mapping[str, str] | None = None) -> ProviderError:
    return FAILURES.answered(status, body, received(), headers)


def caused_by(error: Exception) -> Exception:
    """As an SDK hands an error on."""
    outer = RuntimeError("Connection error.")
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, CallRefused),
        (401, WrongKey),
        (402, NoCredit),
        (403, NotAllowed),
        (404, UnknownModel),
        (405, ProviderRejected),
        (408, ProviderTimedOut),
        (413, ContextTooLong),
        (422, CallRefused),
        (429, ProviderRateLimited),
        (451, RefusedByPolicy),
        (500, ProviderFault),
        (502, ProviderFault),
        (503, ProviderOverloaded),
        (504, ProviderTimedOut),
        (529, ProviderOverloaded),
    ],
)
def test_every_status_has_its_class(status: int, kind: type[ProviderError]) -> None:
    assert type(answered(status, {"error": {"message": "told so"}})) is kind


@given(st.integers(400, 599), st.text(max_size=500))
def test_every_status_is_told_shortly_with_provider_and_number_and_remedy(status: int, words: str) -> None:
    error = answered(status, {"error": {"message": words}})
    assert "openai" in error.message
    assert str(status) in error.message
    assert error.message.endswith(remedy_of(error.code))
    assert len(error.told) < 300
    assert "\n" not in error.message


def test_a_wait_that_the_provider_asks_for_is_kept() -> None:
    assert answered(429, {}, {"retry-after": "7"}).retry_after_s == 7.0
    assert answered(429, {}, {"retry-after-ms": "250"}).retry_after_s == 0.25
    assert answered(429, {}).retry_after_s is None


def test_a_429_that_speaks_of_billing_but_asks_for_a_wait_is_a_limit_of_the_rate() -> None:
    body = {"error": {"message": "You exceeded your current quota, please check your plan and billing details."}}
    assert answered(429, body, {"retry-after": "17"}).code == "rate_limited"
    assert answered(429, body).code == "no_credit"


@pytest.mark.parametrize(
    "key",
    [
        "sk-ant-api03-abcDEF0123456789",
        "sk-proj-0123456789abcdef",
        "sk-or-v1-0123456789abcdef",
        "xai-0123456789abcdef",
        "sk-pr*******cdef",
        "sk_live_51Habcdefgh",
        "gsk_abcdefghijkl",
        "Bearer abcdefghijkl",
        "AbCdEf0123456789AbCdEf0123456789",
        "AIzaSyA1234567890abcdefghijklm",
        OWN_KEY,
    ],
)
@pytest.mark.parametrize("place", ["message", "a text", "a page", "a code"])
def test_a_key_that_the_provider_repeats_is_not_repeated_further(key: str, place: str) -> None:
    words = f"Incorrect API key provided: {key}."
    bodies = {
        "message": {"error": {"message": words}},
        "a text": words,
        "a page": f"<html>{words}",
        "a code": {"code": key},
    }
    assert key not in answered(401, bodies[place]).message
    assert key not in FAILURES.clean(f"bad {key} here")


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (ConnectionRefusedError("http://user:password@host"), "unreachable", "could not be reached"),
        (httpx2.ConnectError("no route"), "unreachable", "could not be reached"),
        (httpx2.ConnectTimeout("slow"), "unreachable", "could not be reached"),
        (httpx2.ReadTimeout("slow"), "timeout", "gave no answer within"),
        (httpx2.RemoteProtocolError("peer closed"), "broken_stream", "broke before its answer began"),
        (httpx2.ReadError("reset"), "broken_stream", "broke before its answer began"),
        (json.JSONDecodeError("no", "password", 0), "broken_stream", "not JSON"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_could_not_be_reached_is_said_only_where_it_was_not(error: Exception, code: str, told: str) -> None:
    for seen in (error, caused_by(error)):
        failure = FAILURES.broken(seen, received(), CALL)
        assert (failure.code, told in failure.message) == (code, True), failure.message
        assert "password" not in failure.message


def test_what_came_before_a_stream_broke_is_kept_and_paid() -> None:
    heard = received()
    heard.sending()
    heard.hear('{"answer": "so')
    failure = FAILURES.broken(httpx2.ReadError("reset"), heard, CALL)
    assert "in the midst of its answer" in failure.message
    assert failure.heard == '{"answer": "so'
    assert failure.usage is not None
    assert failure.usage.estimated
    assert failure.usage.output_tokens > 0


async def test_a_client_is_built_once_and_only_when_it_is_needed() -> None:
    built: list[object] = []

    def build() -> object:
        built.append(object())
        return built[-1]

    client = LazyClient(build)
    assert client.built is None
    found = await asyncio.gather(client.get(), client.get(), client.get())
    assert len(built) == 1
    assert found == built * 3


async def test_a_client_that_could_not_be_built_is_tried_again() -> None:
    attempts = iter([OSError("no module yet"), "the client"])

    def build() -> str:
        attempt = next(attempts)
        if isinstance(attempt, Exception):
            raise attempt
        return attempt

    client = LazyClient(build)
    with pytest.raises(OSError, match="no module yet"):
        await client.get()
    assert await client.get() == "the client"


def test_what_only_begins_like_a_key_is_told() -> None:
    told = "skepticism, pk_debates and a keyword are none; request 0f8fad5bd9cb469f"
    assert FAILURES.clean(told) == told


def test_a_call_that_has_no_utf8_is_itself_at_fault() -> None:
    error = UnicodeEncodeError("utf-8", "half \ud83d", 5, 6, "surrogates not allowed")
    failure = FAILURES.broken(error, received(), CALL)
    assert isinstance(failure, CallRefused)
    assert not failure.trips_breaker


def test_a_call_that_was_never_sent_costs_nothing() -> None:
    assert received().spent() is None


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": 400, "message": "the request exceeds the available context size", "n_ctx": 4096}},
        {"code": 400, "message": "the request exceeds the available context size", "n_ctx": 4096},
        {"error": {"message": f"BadRequestError: {'so on ' * 60}maximum context length is 4096 tokens"}},
        {"detail": "Prompt length 6000 is greater than max_seq_len 4096"},
        {"error": "The number of tokens to keep is greater than the context length (n_keep: 5131>= n_ctx: 4096)."},
    ],
    ids=["llama.cpp", "llama.cpp without error", "cut off in the text", "TabbyAPI", "LM Studio"],
)
def test_how_much_a_model_takes_is_learned_wherever_it_is_told(body: object) -> None:
    failure = answered(400, body)
    assert isinstance(failure, ContextTooLong)
    assert failure.context_tokens == 4096


def test_a_body_of_blanks_is_looked_through_in_a_moment() -> None:
    before = time.process_time()
    answered(413, {"error": {"message": "too long 1" + " " * 20_000, "n_ctx": 1}})
    assert time.process_time() - before < 0.5
