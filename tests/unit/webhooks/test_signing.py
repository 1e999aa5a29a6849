"""Secrets that are taken and refused, and the headers of an attempt."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from aragora.errors import InvalidInput
from aragora.webhooks.signing import (
    check_public_key,
    check_secret,
    is_private_key,
    is_public_key,
    kind_of,
    new_private_key,
    new_secret,
    public_key,
    signed_headers,
    standard_secret,
    verifies,
)

BODY = b'{"delivery_id": "dlv_1", "a": 1}'
SECRET = new_secret(bytes(range(32)))
KEY = new_private_key(bytes(range(32)))
CHOSEN = "a secret that somebody chose"


def headers(*secrets: str, body: bytes = BODY, attempt: int = 1, timestamp: int = 1_700_000_000) -> dict[str, str]:
    return signed_headers(
        body,
        message_id="msg_1",
        delivery_id="dlv_1",
        event_type="debate_end",
        attempt=attempt,
        timestamp=timestamp,
        secrets=secrets,
    )


def base64_of(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def test_the_headers_say_what_the_attempt_is() -> None:
    assert headers() == {
        "Content-Type": "application/json",
        "webhook-id": "msg_1",
        "webhook-timestamp": "1700000000",
        "X-Webhook-Delivery-Id": "dlv_1",
        "X-Webhook-Event": "debate_end",
        "X-Webhook-Timestamp": "1700000000",
        "X-Webhook-Attempt": "1",
    }


def test_one_secret_text_makes_both_signatures() -> None:
    sent = headers(SECRET)
    expected = hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest()
    assert sent["X-Webhook-Signature"] == f"sha256={expected}"
    standard = hmac.new(bytes(range(32)), b"msg_1.1700000000." + BODY, hashlib.sha256).digest()
    assert sent["webhook-signature"] == f"v1,{base64_of(standard)}"


def test_the_vector_of_the_standard_is_reproduced() -> None:
    """The example that the libraries of Standard Webhooks test with in every language."""
    sent = signed_headers(
        b'{"test": 2432232314}',
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        delivery_id="dlv_1",
        event_type="test",
        attempt=1,
        timestamp=1_614_265_330,
        secrets=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )
    assert sent["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_two_secrets_sign_the_standards_header_and_the_first_alone_the_runbooks() -> None:
    both = headers(SECRET, CHOSEN)
    assert both["webhook-signature"].split() == [
        headers(SECRET)["webhook-signature"],
        headers(CHOSEN)["webhook-signature"],
    ]
    assert both["X-Webhook-Signature"] == headers(SECRET)["X-Webhook-Signature"]


def test_a_retry_keeps_the_id_and_is_signed_anew() -> None:
    first, retry = headers(SECRET), headers(SECRET, attempt=2, timestamp=1_700_086_400)
    assert retry["webhook-id"] == first["webhook-id"]
    assert retry["X-Webhook-Delivery-Id"] == first["X-Webhook-Delivery-Id"]
    assert retry["X-Webhook-Attempt"] == "2"
    assert retry["webhook-timestamp"] == "1700086400"
    assert retry["webhook-signature"] != first["webhook-signature"]


@given(st.lists(st.sampled_from([SECRET, CHOSEN, KEY, "x"]), min_size=1, max_size=4))
def test_no_secret_is_in_what_is_sent(secrets: list[str]) -> None:
    text = repr(headers(*secrets))
    for secret in (SECRET, CHOSEN, KEY):
        assert secret not in text
        assert secret.partition("_")[2] not in text or secret == CHOSEN
        assert base64_of(secret.encode()) not in text


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        CHOSEN,
        "sixteen letters!",
        "x" * 128,
        f"whsec_{base64_of(b'k' * 24)}",
        f"whsec_{base64_of(b'k' * 64)}",
        KEY,
        f"whsk_{base64_of(bytes(range(32)))}",
    ],
)
def test_secrets_that_are_taken(text: str) -> None:
    check_secret(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "has 0 characters"),
        ("fifteen letters", "has 15 characters"),
        ("x" * 129, "has 129 characters"),
        ("sixteen letters\n", "control character"),
        ("sixteen\x00letters and", "control character"),
        ("sixteen letters\u00e9", "not ASCII"),
        (f"whsec_{base64_of(b'k' * 23)}", "24 to 64 bytes"),
        (f"whsec_{base64_of(b'k' * 65)}", "24 to 64 bytes"),
        (f"whsec_{base64_of(b'k' * 25).rstrip('=')}", "padding"),
        (f"whsec_{base64_of(b'k' * 24)}=", "padding"),
        (f"whsec_{base64_of(b'k' * 24)} ", "whsec_"),
        (f"whsec_{base64.urlsafe_b64encode(bytes([255]) * 24).decode()}", "whsec_"),
        ("whsec_a chosen text with spaces", "whsec_"),
        (f"whsec_{base64_of(b'k' * 25)[:-3]}3==", "whsec_"),  # bits that no byte is made of
        (f"whsk_{base64_of(b'k' * 31)}", "32 or 64 bytes"),
        (f"whsk_{base64_of(b'k' * 64)}", "do not belong together"),
        (f"whpk_{base64_of(b'k' * 32)}", "public key"),
    ],
)
def test_secrets_that_are_refused_and_never_told(text: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told) as refused:
        check_secret(text)
    assert not text or text not in refused.value.message
    assert "\n" not in refused.value.message


def test_secrets_are_made_of_the_bytes_that_are_given() -> None:
    check_secret(SECRET)
    assert base64.b64decode(SECRET.removeprefix("whsec_")) == bytes(range(32))
    for make in (new_secret, new_private_key):
        with pytest.raises(ValueError, match="32 are needed"):
            make(b"short")


@pytest.mark.parametrize("chosen", ["your-secret-key", "your-hmac-secret", "whsec_short", CHOSEN, "dGVzdA=="])
def test_the_second_form_of_a_chosen_secret_has_the_same_key(chosen: str) -> None:
    """The runbook's own examples among them: their base64 is no key, or another one."""
    second = standard_secret(chosen)
    assert base64.b64decode(second.removeprefix("whsec_"), validate=True) == chosen.encode()
    if len(chosen) >= 24:
        assert headers(second)["webhook-signature"] == headers(chosen)["webhook-signature"]


def test_a_secret_that_is_already_of_the_standard_has_no_second_form() -> None:
    assert standard_secret(SECRET) == SECRET


@given(st.binary(min_size=32, max_size=32), st.binary())
def test_a_signature_by_a_private_key_is_checked_with_its_public_key(seed: bytes, body: bytes) -> None:
    private = new_private_key(seed)
    check_secret(private)
    sent = headers(private, body=body)
    assert "X-Webhook-Signature" not in sent
    version, _, signature = sent["webhook-signature"].partition(",")
    assert version == "v1a"
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key(private).removeprefix("whpk_")))
    public.verify(base64.b64decode(signature), b"msg_1.1700000000." + body)
    with pytest.raises(InvalidSignature):
        public.verify(base64.b64decode(signature), b"msg_2.1700000000." + body)


def test_any_signature_by_the_private_half_of_a_public_key_is_found_among_others() -> None:
    other = new_private_key(bytes(range(1, 33)))
    signed = b"msg_1.1700000000." + BODY
    for secrets in ((KEY,), (other, KEY), (KEY, other, CHOSEN), (CHOSEN, SECRET, KEY)):
        assert verifies(public_key(KEY), headers(*secrets)["webhook-signature"], signed)
        assert not verifies(public_key(KEY), headers(*secrets)["webhook-signature"], signed + b" ")
    for odd in ("", "v1a,", "v1a,AAAA", f"v1,{'A' * 86}==", f"v1a,{'A' * 86}==", "v1a,\udcff"):
        assert not verifies(public_key(KEY), odd, signed)


@pytest.mark.parametrize("text", ["", "whpk_", "whpk_AAAA", f"whpk_{base64_of(b'k' * 33)}", SECRET, KEY])
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="base64 of 32 bytes"):
        check_public_key(text)
    check_public_key(public_key(KEY))


def test_the_kind_of_signature_follows_from_the_secret() -> None:
    assert [kind_of(one) for one in (SECRET, CHOSEN, KEY)] == ["hmac", "hmac", "ed25519"]
    assert (is_public_key(public_key(KEY)), is_public_key(KEY), is_public_key(SECRET)) == (True, False, False)


def test_a_seed_alone_is_the_same_key() -> None:
    seed = f"whsk_{base64_of(bytes(range(32)))}"
    assert public_key(seed) == public_key(KEY) == standard_secret(KEY)
    assert headers(seed) == headers(KEY)
    assert is_private_key(seed)
    assert not is_private_key(SECRET)


def test_rotation_to_a_private_key_keeps_the_shared_signature_for_the_overlap() -> None:
    sent = headers(KEY, CHOSEN)
    assert [each.partition(",")[0] for each in sent["webhook-signature"].split()] == ["v1a", "v1"]
    assert sent["X-Webhook-Signature"] == headers(CHOSEN)["X-Webhook-Signature"]


def test_the_public_key_of_what_is_no_private_key_is_refused() -> None:
    with pytest.raises(InvalidInput, match="whsk_"):
        public_key(SECRET)
