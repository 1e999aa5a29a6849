"""What is kept of an answer: storable, short, and without what the request proved itself with."""

from __future__ import annotations

import ssl
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora import texts
from aragora.observability.redaction import REDACTED
from aragora.webhooks.answers import KEPT_BYTES, failure_of, shown, status_failure
from aragora.webhooks.connections import Course
from aragora.webhooks.model import Failure, Request

TOKEN = "T0PSECRETT0KEN"
REQUEST = Request(
    url=f"https://hooks.example.com/in/{TOKEN}?key=query-secret",
    body=b"{}",
    headers={"Authorization": "Bearer header-secret", "Content-Type": "application/json"},
    timeout_s=30.0,
)


@given(st.binary(max_size=20_000), st.booleans())
def test_any_body_becomes_a_short_text_that_every_database_keeps(body: bytes, ended: bool) -> None:
    text = shown(body, REQUEST, ended=ended)
    assert len(text.encode()) <= KEPT_BYTES
    texts.prose(text)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=900))
def test_a_text_without_anything_odd_is_kept_as_it_is(text: str) -> None:
    assert shown(text.encode(), REQUEST, ended=True) == text


@given(
    st.integers(0, KEPT_BYTES + 100),
    st.sampled_from([TOKEN, "query-secret", "header-secret", REQUEST.url, f"/in/{TOKEN}?key=query-secret"]),
)
def test_what_the_request_proved_itself_with_is_hidden_wherever_the_text_ends(before: int, secret: str) -> None:
    text = shown(f"{'x' * before}{secret}{'y' * 100}".encode(), REQUEST, ended=True)
    assert "SECRET" not in text
    assert "secret" not in text
    assert before > KEPT_BYTES - len(REDACTED) or REDACTED in text


def test_a_challenge_comes_back_as_it_was_sent_and_no_other_header_does() -> None:
    """It is a header of the request, and what a receiver sends back of those is hidden."""
    challenge = "a-challenge-of-some-43-characters-0123456789"
    sent = replace(REQUEST, headers={**REQUEST.headers, "webhook-challenge": challenge})
    assert shown(f"{challenge} header-secret".encode(), sent, ended=True) == f"{challenge} {REDACTED}"


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", "the receiver says that the client certificate has expired"),
        ("SSLV3_ALERT_CERTIFICATE_REVOKED", "the receiver says that the client certificate was revoked"),
        ("TLSV1_ALERT_UNKNOWN_CA", "the receiver does not accept the client certificate"),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "the receiver wants a client certificate"),
    ],
)
def test_what_a_receiver_does_not_like_of_our_certificate_is_told(reason: str, told: str) -> None:
    alert = ssl.SSLError(1, f"[SSL: {reason}] alert")
    alert.reason = reason
    assert failure_of(alert, Course(), 30.0) == (Failure.TLS, told)


def test_half_a_character_at_the_end_counts_only_where_the_body_ended() -> None:
    assert shown("\u00e4".encode()[:1], REQUEST, ended=False) == ""
    assert shown("\u00e4".encode()[:1], REQUEST, ended=True) == "\ufffd"


@given(st.integers(100, 999))
def test_every_code_delivers_or_says_why_not(code: int) -> None:
    failure, told = status_failure(code)
    assert str(code) in told
    assert (failure is None) == (200 <= code < 300)
    assert (failure is Failure.REDIRECT) == (300 <= code < 400)
