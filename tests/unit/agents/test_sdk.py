"""Failures of a provider become one of few errors, without any key; clients are built once."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.agents.model import (
    CallRefused,
    ProviderError,
    ProviderFault,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderRejected,
    ProviderTimedOut,
)
from aragora.agents.providers.sdk import LazyClient, by_status, clean, unreachable


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, CallRefused),
        (401, ProviderRejected),
        (402, ProviderRejected),
        (403, ProviderRejected),
        (404, ProviderRejected),
        (408, ProviderTimedOut),
        (413, CallRefused),
        (422, CallRefused),
        (429, ProviderRateLimited),
        (500, ProviderFault),
        (502, ProviderFault),
        (503, ProviderOverloaded),
        (504, ProviderTimedOut),
        (529, ProviderOverloaded),
    ],
)
def test_every_status_has_its_class(status: int, kind: type[ProviderError]) -> None:
    assert type(by_status("openai", status)) is kind


@given(st.integers(400, 599), st.text(max_size=500))
def test_every_status_is_told_shortly_with_provider_and_number(status: int, detail: str) -> None:
    error = by_status("mistral", status, detail)
    assert "mistral" in error.message
    assert str(status) in error.message
    assert len(error.message) < 300
    assert "\n" not in error.message


def test_a_wait_that_the_provider_asks_for_is_kept() -> None:
    assert by_status("openai", 429, headers={"retry-after": "7"}).retry_after_s == 7.0
    assert by_status("openai", 429, headers={"retry-after-ms": "250"}).retry_after_s == 0.25
    assert by_status("openai", 429).retry_after_s is None


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
    ],
)
def test_a_key_that_the_provider_repeats_is_not_repeated_further(key: str) -> None:
    assert key not in by_status("openai", 401, f"Incorrect API key provided: {key}.").message
    assert key not in clean(f"bad {key} here")


def test_a_broken_connection_tells_its_kind_and_not_its_address() -> None:
    error = unreachable("local", ConnectionRefusedError("http://user:password@host"))
    assert "ConnectionRefusedError" in error.message
    assert "password" not in error.message


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
    assert clean(told) == told


def test_a_call_that_has_no_utf8_is_itself_at_fault() -> None:
    error = unreachable("openai", UnicodeEncodeError("utf-8", "half \ud83d", 5, 6, "surrogates not allowed"))
    assert isinstance(error, CallRefused)
    assert not error.trips_breaker
