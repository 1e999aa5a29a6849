"""Verifiers that are not ours accept what is sent: the code that the runbook prints, and two public libraries."""

from __future__ import annotations

import hashlib
import hmac
import json
import runpy
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
import svix.webhooks
from hypothesis import given, settings
from hypothesis import strategies as st

from aragora.webhooks.body import body_of, with_delivery_id
from aragora.webhooks.signing import new_secret, signed_headers, standard_secret

PRINTED = Path(__file__).parents[2] / "contract" / "verify_signature.py"
verify_signature: Callable[[dict[str, Any], str, str], bool] = runpy.run_path(str(PRINTED))["verify_signature"]

NEW = new_secret(b"n" * 32)
OLD = new_secret(b"o" * 32)
OLDER = "a secret that somebody chose"
RUNBOOK = ("your-hmac-secret", "your-secret-key")
PAYLOADS: tuple[dict[str, Any], ...] = (
    {"debate_id": "d-456", "result": "consensus"},
    {"emoji": "\U0001f600 \u2764\ufe0f", "line": "a\u2028b\u2029c", "accents": "\u00fc\u0142\u4e2d"},
    {"whole": 1.0, "large": 1e22, "small": 5e-324, "zero": -0.0, "third": 1 / 3},
    {"big": 2**64, "bigger": -(10**400), "int": 1, "true": True, "null": None},
    {},
    {"data": {}, "list": [], "text": ""},
    {"z": 1, "a": {"y": [{"x": 1, "b": 2}], "c": 3}, "m": 0},
    {"html": "</script>&amp;", "slash": "a/b\\c", "quote": '"', "control": "\x00\t\x7f"},
    {"delivery_id": "of the caller", "a": 1},
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)


def sent(payload: dict[str, Any], *secrets: str, at: float | None = None) -> tuple[bytes, dict[str, str]]:
    body = with_delivery_id(body_of(payload), "dlv_1")
    headers = signed_headers(
        body,
        message_id="msg_1",
        delivery_id="dlv_1",
        event_type="debate_end",
        attempt=1,
        timestamp=int(time.time() if at is None else at),
        secrets=secrets,
    )
    return body, headers


def printed_accepts(body: bytes, headers: dict[str, str], secret: str) -> bool:
    return verify_signature(json.loads(body), headers["X-Webhook-Signature"], secret)


def raw_accepts(body: bytes, headers: dict[str, str], secret: str) -> bool:
    expected = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, headers["X-Webhook-Signature"])


def libraries_accept(body: bytes, headers: dict[str, str], secret: str) -> list[bool]:
    outcomes = []
    for library, refusal in (
        (standardwebhooks.Webhook, standardwebhooks.WebhookVerificationError),
        (svix.webhooks.Webhook, svix.webhooks.WebhookVerificationError),
    ):
        try:
            library(standard_secret(secret)).verify(body, headers)
        except refusal:
            outcomes.append(False)
        else:
            outcomes.append(True)
    return outcomes


@pytest.mark.parametrize("secret", [NEW, OLDER, *RUNBOOK])
@pytest.mark.parametrize("payload", PAYLOADS)
def test_all_accept_every_payload(payload: dict[str, Any], secret: str) -> None:
    body, headers = sent(payload, secret)
    assert printed_accepts(body, headers, secret)
    assert raw_accepts(body, headers, secret)
    assert libraries_accept(body, headers, secret) == [True, True]


@settings(max_examples=200)
@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), values))
def test_the_printed_verifier_accepts_any_json(payload: dict[str, Any]) -> None:
    body, headers = sent(payload, NEW)
    assert printed_accepts(body, headers, NEW)
    assert raw_accepts(body, headers, NEW)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_none_accepts_another_secret_or_another_body(payload: dict[str, Any]) -> None:
    body, headers = sent(payload, NEW)
    assert not printed_accepts(body, headers, OLD)
    assert libraries_accept(body, headers, OLD) == [False, False]
    changed = body[:-1] + b', "more": 1}'
    assert not printed_accepts(changed, headers, NEW)
    assert libraries_accept(changed, headers, NEW) == [False, False]


def test_the_printed_verifier_refuses_the_payload_as_it_was_before_it_got_its_id() -> None:
    _, headers = sent({"a": 1}, NEW)
    assert not verify_signature({"a": 1}, headers["X-Webhook-Signature"], NEW)


def test_during_a_rotation_the_libraries_accept_either_secret_and_the_printed_verifier_the_first() -> None:
    body, headers = sent({"a": 1}, NEW, OLD, OLDER)
    for secret in (NEW, OLD, OLDER):
        assert libraries_accept(body, headers, secret) == [True, True]
    assert [printed_accepts(body, headers, secret) for secret in (NEW, OLD, OLDER)] == [True, False, False]
    body, headers = sent({"a": 1}, OLD, NEW, OLDER)  # as it is tried after a refusal
    assert printed_accepts(body, headers, OLD)
    assert libraries_accept(body, headers, NEW) == [True, True]


def test_after_a_rotation_the_old_secret_is_refused() -> None:
    body, headers = sent({"a": 1}, NEW)
    assert libraries_accept(body, headers, NEW) == [True, True]
    assert libraries_accept(body, headers, OLD) == [False, False]


def test_a_retry_after_a_day_is_accepted_and_a_replay_of_the_first_attempt_is_not() -> None:
    a_day_ago = time.time() - 86_400
    body, first = sent({"a": 1}, NEW, at=a_day_ago)
    assert libraries_accept(body, first, NEW) == [False, False]
    body, retry = sent({"a": 1}, NEW)
    assert retry["webhook-id"] == first["webhook-id"]
    assert libraries_accept(body, retry, NEW) == [True, True]


def test_what_a_replay_guard_cannot_rest_on_is_the_runbooks_signature() -> None:
    """It covers the body alone, so it is good for ever: docs/webhooks.md says so."""
    body, first = sent({"a": 1}, NEW, at=0)
    assert printed_accepts(body, first, NEW)
