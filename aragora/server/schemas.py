"""The shapes that several chapters share: of path parameters, of texts in requests, and the answer to a login.

A shape that one chapter alone uses stands in that chapter.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.responses import Response

from aragora import limits
from aragora.errors import InvalidInput
from aragora.identity.addresses import MAX_CHARS, NAME_MAX_CHARS, checked_email
from aragora.identity.logins import Challenge, TokenPair
from aragora.server.views import UNCACHED, json_response

DebateId = Annotated[str, Path(min_length=1, max_length=limits.DEBATE_ID_MAX_CHARS)]


def storable(text: str) -> str:
    """Text that every database can hold: without control characters and lone halves of surrogate pairs. Raises
    ValueError."""
    if any(ord(char) < 32 or 0xD800 <= ord(char) <= 0xDFFF or ord(char) == 127 for char in text):
        raise ValueError("control characters are not allowed")
    return text


def _address(text: str) -> str:
    try:
        return checked_email(text)
    except InvalidInput as refused:
        raise ValueError(refused.message) from None


Line = Annotated[str, AfterValidator(storable)]
Token = Annotated[Line, Field(min_length=1, max_length=4096)]
Email = Annotated[str, Field(max_length=MAX_CHARS), AfterValidator(storable), AfterValidator(_address)]
# Length and quality are the policy's, which says more than "too short"; here only what no password can be.
Password = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(storable)]
Name = Annotated[Line, Field(min_length=1, max_length=NAME_MAX_CHARS)]


class Secretive(BaseModel):
    """A request whose refusal does not repeat it."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


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


def tokens_response(result: TokenPair | Challenge) -> Response:
    """The answer described by `Tokens`; no cache may keep it."""
    return json_response(result, headers=UNCACHED)
