"""The shapes of identity requests and responses."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MAX_LIFETIME_DAYS: Final = 3650
_EMAIL: Final = re.compile(r"[^\s@,;:<>\"()\[\]\\]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


def _storable(text: str) -> str:
    """Text that every database can hold: no control characters, no lone halves of surrogate pairs."""
    if any(ord(char) < 32 or 0xD800 <= ord(char) <= 0xDFFF or ord(char) == 127 for char in text):
        raise ValueError("control characters are not allowed")
    return text


def _address(text: str) -> str:
    if not _EMAIL.fullmatch(text):
        raise ValueError("not an e-mail address")
    return text


Line = Annotated[str, AfterValidator(_storable)]
Email = Annotated[str, Field(max_length=254), AfterValidator(_storable), AfterValidator(_address)]
# Length and quality are the policy's, which says more than "too short"; here only what no password can be.
Password = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_storable)]
Name = Annotated[Line, Field(min_length=1, max_length=100)]
Token = Annotated[Line, Field(min_length=1, max_length=4096)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Register(_Request):
    """A new account. `roles` only from who may manage users: then it joins the caller's organisation."""

    email: Email
    password: Password
    name: Name = "-"
    roles: Annotated[list[Name], Field(max_length=10)] = []


class Login(_Request):
    """Either `email` and `password`, or the `challenge` of a first step with the `code` of the second factor."""

    email: Email | None = None
    password: Password | None = None
    challenge: Token | None = None
    code: Annotated[Line, Field(min_length=6, max_length=64)] | None = None


class Refresh(_Request):
    refresh_token: Token


class Logout(_Request):
    """`everywhere` ends all logins of the user."""

    everywhere: bool = False


class ChangePassword(_Request):
    current: Password
    new: Password


class NewApiKey(_Request):
    """`expires_in_days` null: until it is revoked."""

    name: Name = "default"
    expires_in_days: Annotated[int, Field(ge=1, le=MAX_LIFETIME_DAYS)] | None = None


class Code(_Request):
    code: Annotated[Line, Field(min_length=6, max_length=64)]


class Exchange(_Request):
    code: Token


class Impersonate(_Request):
    """Why, for the audit log, and for how long."""

    reason: Annotated[Line, Field(min_length=3, max_length=500)]
    minutes: Annotated[int, Field(ge=1, le=60)] = 15


class Account(BaseModel):
    user_id: str
    email: str
    name: str
    org_id: str
    roles: list[str]


class Tokens(BaseModel):
    """A login; or, for users with a second factor, only `mfa_required`, `challenge` and `expires_in`."""

    access_token: str | None = None
    refresh_token: str | None = None
    token_type: str | None = None
    expires_in: int
    mfa_required: bool = False
    challenge: str | None = None


class Me(BaseModel):
    user_id: str
    org_id: str
    roles: list[str]
    permissions: list[str]
    method: str
    mfa: bool
    impersonator: str | None


class CreatedApiKey(BaseModel):
    key_id: str
    api_key: Annotated[str, Field(description="shown this once, stored as a hash")]
    prefix: str
    name: str
    created_at: float
    expires_at: float | None


class Revoked(BaseModel):
    revoked: int


class EnrolledFactor(BaseModel):
    secret: str
    otpauth_uri: str


class ConfirmedFactor(BaseModel):
    verified: bool
    backup_codes: Annotated[list[str], Field(description="shown this once; empty where the factor was in force before")]


class Ticket(BaseModel):
    ticket: str
    expires_in: int


class AuditPage(BaseModel):
    entries: list[dict[str, object]]
    next_before: int | None


class ErrorList(BaseModel):
    errors: list[dict[str, object]]


class RateLimitList(BaseModel):
    rate_limits: list[dict[str, object]]
    shared: bool
    degraded: str
