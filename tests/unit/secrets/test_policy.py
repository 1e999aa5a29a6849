"""What is secret: whatever is not known to be harmless."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.encoding import encode_text
from aragora.secrets.encryption import EncryptionService
from aragora.secrets.fields import redacted, secrets_of
from aragora.secrets.keyring import Keyring
from aragora.secrets.policy import is_public, is_secret, looks_like_a_credential, says_secret

CRYPTO = EncryptionService(Keyring.parse("ab" * 32))

MISSED = [
    *("webhook", "webhook_uri", "auth", "basic_auth", "x_auth", "bearer", "jwt", "pat", "pwd", "smtp_pass", "key"),
    *("pin", "session_id", "database_url", "redis_url", "secret_count", "token_at", "X-Custom-Header", "größe", ""),
]


@pytest.mark.parametrize("name", MISSED)
def test_a_text_whose_name_is_not_known_is_secret(name: str) -> None:
    assert is_secret(name, "hunter2")
    assert redacted({name: "hunter2"}) == {name: "[set]"}
    assert "hunter2" not in str(redacted({"outer": {name: ["hunter2", {"name": "x", name: "hunter2"}]}}))


@pytest.mark.parametrize(
    "name", ["channel", "channel_id", "channelName", "user_id", "email", "region", "default_channel", "project2"]
)
def test_a_text_of_a_public_name_is_shown(name: str) -> None:
    assert is_public(name)
    assert redacted({name: "#ops"}) == {name: "#ops"}


@pytest.mark.parametrize("value", [7, 7.5, True, False, None, ""])
@pytest.mark.parametrize("name", ["secret_count", "token_at", "retries", "frobnicate"])
def test_numbers_and_switches_are_shown_unless_their_name_says_secret(name: str, value: Any) -> None:
    assert redacted({name: value}) == {name: value}
    assert redacted({"pin": 1234, "smtp_pass": 5678}) == {"pin": "[set]", "smtp_pass": "[set]"}


@pytest.mark.parametrize(
    "value",
    [
        "postgres://aragora:pw@db.example.com/x",
        "https://token@example.com/repo.git",
        "xoxb-1-the-bot-token",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE",
        "Bearer abcdefghijkl",
        "https://hooks.slack.com/services/T00000000/B00000000/XyZ0abcdefghijklmnop1234",
        "d41d8cd98f00b204e9800998ecf8427e",
        "https://example.com/hook?token=abc",
    ],
)
def test_what_looks_like_a_credential_is_secret_whatever_its_name(value: str) -> None:
    assert looks_like_a_credential(value)
    assert redacted({"channel": value, "labels": [value]}) == {"channel": "[set]", "labels": ["[set]"]}


@pytest.mark.parametrize(
    "value",
    ["#ops", "C024BE91L", "eu-central-1", "product-announcements-2026", "jane@example.com", "https://example.com/a",
     "123e4567-e89b-12d3-a456-426614174000", "1234567890123456789", "Europe/Vienna"],
)  # fmt: skip
def test_ordinary_values_do_not(value: str) -> None:
    assert not looks_like_a_credential(value)


NAMES = st.text(max_size=10) | st.sampled_from([*MISSED, "channel", "name", "config", "secrets", "labels"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=10,
)


def texts_of_unknown_names(value: Any, name: str) -> list[str]:
    """Written down apart from the policy's own walk: every text that stands under a name which is not public."""
    if isinstance(value, dict):
        return [text for inner, item in value.items() for text in texts_of_unknown_names(item, inner)]
    if isinstance(value, list):
        return [text for item in value for text in texts_of_unknown_names(item, name)]
    return [value] if isinstance(value, str) and value and not is_public(name) else []


@given(st.dictionaries(NAMES, VALUES, max_size=5), st.integers(0, 10**9))
def test_no_value_of_a_field_that_is_not_public_is_ever_shown_or_kept_in_plaintext(
    record: dict[str, Any], number: int
) -> None:
    marked = json.loads(json.dumps(record), object_hook=lambda it: it | {"unknown": f"\x01{number}\x01"})
    shown = redacted(marked)
    assert set(texts_of_unknown_names(shown, "")) <= {"[set]"}
    sealed = CRYPTO.encrypt_fields(marked, store="integration", record_id="r")
    for out in (encode_text(shown), encode_text(sealed), repr(shown), str(sealed)):
        assert f"{number}\x01" not in out
        assert f"\\u0001{number}" not in out
    assert not CRYPTO.needs_encryption(sealed)
    assert CRYPTO.decrypt_fields(sealed, store="integration", record_id="r") == marked
    assert {"/unknown"} <= {path for path, _ in secrets_of(marked)}


@pytest.mark.parametrize(
    "name",
    ["api_key", "apiKey", "APIKey", "bot_token", "clientSecret", "password", "refresh_token", "private_key",
     "credentials", "webhook_url", "connection_string", "SMTP_PASSWORD", "secret_id"],
)  # fmt: skip
def test_names_that_speak_of_secrets_hide_numbers_and_structures_too(name: str) -> None:
    assert says_secret(name)
    assert redacted({name: 7, "x": {name: {"a": 1}}}) == {name: "[set]", "x": {name: "[set]"}}


@pytest.mark.parametrize("name", ["name", "user_id", "token_type", "token_expires_at", "monkey", "token_uri", ""])
def test_other_names_do_not(name: str) -> None:
    assert not says_secret(name)
