"""Signed tokens: HS256 and nothing else, with issuer, audience, expiry, id and login.

Each purpose has its own audience and `typ`, so that a refresh token or a second-factor challenge is never taken
for an access token. Every token names the login (`sid`) it came from: revoking the login ends them all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import jwt

from aragora.errors import Unauthenticated
from aragora.ids import new_id

ALGORITHM: Final = "HS256"
ISSUER: Final = "aragora"
MAX_TOKEN_CHARS: Final = 4096
CLOCK_SKEW_S: Final = 30.0
MFA_CHALLENGE_S: Final = 300.0


class Purpose(StrEnum):
    """The audience of a token; each also has a `typ` of its own in the header."""

    ACCESS = "aragora-api"
    REFRESH = "aragora-refresh"
    MFA = "aragora-mfa"


TYPES: Final[Mapping[Purpose, str]] = {Purpose.ACCESS: "at+jwt", Purpose.REFRESH: "rt+jwt", Purpose.MFA: "mfa+jwt"}


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says. Times are seconds since the epoch.

    `generation` counts the refreshes of a login. `stamp` binds a challenge to the password that was shown for it
    (`stamp_of`). What the subject may do is no claim: the account and the login say it, at every use.
    """

    subject: str
    session_id: str
    expires_at: float
    issued_at: float
    token_id: str
    generation: int = 0
    stamp: str = ""


@dataclass(frozen=True, slots=True)
class TokenSigner:
    """Signs and verifies with ARAGORA_JWT_SECRET."""

    secret: str = field(repr=False)

    def sign(self, purpose: Purpose, claims: Claims) -> str:
        """The compact token."""
        body: dict[str, Any] = {
            "iss": ISSUER,
            "aud": purpose.value,
            "sub": claims.subject,
            "sid": claims.session_id,
            "jti": claims.token_id,
            "iat": claims.issued_at,
            "exp": claims.expires_at,
            "gen": claims.generation,
        }
        if claims.stamp:
            body["stamp"] = claims.stamp
        return jwt.encode(body, self.secret, algorithm=ALGORITHM, headers={"typ": TYPES[purpose]})

    def verify(self, purpose: Purpose, token: str, now: float) -> Claims:
        """The claims of a token that is genuine, for this purpose and valid now.

        Raises Unauthenticated: code token_expired where only its time is over, else invalid_token. The text never
        says which check failed beyond that, and never holds the token.
        """
        if len(token) > MAX_TOKEN_CHARS:
            raise _invalid()
        try:
            header = jwt.get_unverified_header(token)
            body = jwt.decode(
                token,
                self.secret,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=purpose.value,
                # Times are checked below, against the clock that the caller passes.
                options={
                    "require": ["iss", "aud", "sub", "exp", "iat", "jti"],
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
            claims = _claims(body)
        except (jwt.PyJWTError, KeyError, TypeError, ValueError) as error:
            raise _invalid() from error
        if header.get("typ") != TYPES[purpose] or claims.issued_at > now + CLOCK_SKEW_S:
            raise _invalid()
        if claims.expires_at <= now:
            raise Unauthenticated("The token has expired; refresh it or log in again.", code="token_expired")
        return claims


def claims_for(*, subject: str, session_id: str, now: float, lifetime_s: float, **rest: Any) -> Claims:
    """Claims with a fresh token id, valid from `now` for `lifetime_s`."""
    return Claims(subject, session_id, now + lifetime_s, now, new_id("jti"), **rest)


def stamp_of(password_hash: str | None) -> str:
    """What a challenge carries of the password in force: it changes with the password and tells nothing of it, because
    the hash has a random salt of its own."""
    return hashlib.sha256(b"aragora challenge v1\x00" + (password_hash or "").encode()).hexdigest()


def _claims(body: Mapping[str, Any]) -> Claims:
    return Claims(
        subject=str(body["sub"]),
        session_id=str(body["sid"]),
        expires_at=float(body["exp"]),
        issued_at=float(body["iat"]),
        token_id=str(body["jti"]),
        generation=int(body["gen"]),
        stamp=str(body.get("stamp", "")),
    )


def _invalid() -> Unauthenticated:
    return Unauthenticated("The token is not valid; log in again.", code="invalid_token")
