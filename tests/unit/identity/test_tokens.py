"""Tokens: only ours, only for their purpose, only in their time."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from aragora.errors import Unauthenticated
from aragora.identity.tokens import TYPES, Purpose, TokenSigner, claims_for

NOW = 1_000_000.0
SIGNER = TokenSigner("0123456789abcdef" * 4)
CLAIMS = claims_for(subject="usr_1", session_id="ses_1", now=NOW, lifetime_s=60.0)


def body(**changes: Any) -> dict[str, Any]:
    good = jwt.decode(SIGNER.sign(Purpose.ACCESS, CLAIMS), options={"verify_signature": False})
    return {key: value for key, value in {**good, **changes}.items() if value is not None}


def forged(claims: dict[str, Any], secret: str = SIGNER.secret, algorithm: str = "HS256", typ: str = "at+jwt") -> str:
    return jwt.encode(claims, secret, algorithm=algorithm, headers={"typ": typ})


def refusal_of(token: str, now: float = NOW, purpose: Purpose = Purpose.ACCESS) -> str:
    with pytest.raises(Unauthenticated) as caught:
        SIGNER.verify(purpose, token, now)
    assert len(token) < 9 or token not in caught.value.message
    return caught.value.code


def test_a_token_says_what_was_signed() -> None:
    assert SIGNER.verify(Purpose.ACCESS, SIGNER.sign(Purpose.ACCESS, CLAIMS), NOW + 59) == CLAIMS


def test_a_token_says_nothing_of_what_its_subject_may_do() -> None:
    assert set(body()) == {"iss", "aud", "sub", "sid", "jti", "iat", "exp", "gen"}


def test_an_expired_token_says_so() -> None:
    assert refusal_of(SIGNER.sign(Purpose.ACCESS, CLAIMS), now=NOW + 60) == "token_expired"


def test_a_token_from_the_future_is_refused() -> None:
    assert refusal_of(SIGNER.sign(Purpose.ACCESS, CLAIMS), now=NOW - 31) == "invalid_token"


@pytest.mark.parametrize("minted", list(Purpose))
@pytest.mark.parametrize("used", list(Purpose))
def test_a_token_serves_its_own_purpose_only(minted: Purpose, used: Purpose) -> None:
    token = SIGNER.sign(minted, CLAIMS)
    if minted is used:
        assert SIGNER.verify(used, token, NOW) == CLAIMS
    else:
        assert refusal_of(token, purpose=used) == "invalid_token"


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "elsewhere"},
        {"iss": None},
        {"aud": "another"},
        {"aud": None},
        {"exp": None},
        {"sub": None},
        {"jti": None},
        {"sid": None},
        {"exp": "soon"},
        {"gen": "x"},
    ],
)
def test_a_token_with_wrong_or_missing_claims_is_refused(changes: dict[str, Any]) -> None:
    assert refusal_of(forged(body(**changes))) == "invalid_token"


def test_a_foreign_key_is_refused() -> None:
    assert refusal_of(forged(body(), secret="f" * 32)) == "invalid_token"


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_algorithm_is_refused_even_with_the_right_key(algorithm: str) -> None:
    assert refusal_of(forged(body(), secret=SIGNER.secret, algorithm=algorithm)) == "invalid_token"


def test_no_algorithm_at_all_is_refused() -> None:
    assert refusal_of(jwt.encode(body(), "", algorithm="none", headers={"typ": "at+jwt"})) == "invalid_token"


def test_an_asymmetric_signature_is_refused() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    assert refusal_of(forged(body(), secret=pem, algorithm="RS256")) == "invalid_token"


def test_a_wrong_type_header_is_refused() -> None:
    assert refusal_of(forged(body(), typ="JWT")) == "invalid_token"
    assert refusal_of(forged(body(), typ=TYPES[Purpose.REFRESH])) == "invalid_token"


def test_a_tampered_claim_is_refused() -> None:
    head, payload, signature = SIGNER.sign(Purpose.ACCESS, CLAIMS).split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    claims["sub"] = "usr_2"
    changed = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    assert refusal_of(f"{head}.{changed}.{signature}") == "invalid_token"


@pytest.mark.parametrize("token", ["", ".", "a.b.c", "x" * 5000, "\x00", "ara_" + "0" * 16])
def test_what_is_no_token_is_refused(token: str) -> None:
    assert refusal_of(token) == "invalid_token"


def test_the_secret_never_shows() -> None:
    assert SIGNER.secret not in repr(SIGNER)
