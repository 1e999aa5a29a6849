"""The shapes that several chapters share: of path parameters, of texts in requests, and the answer to a login.

A shape that one chapter alone uses stands in that chapter.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.responses import Response

from aragora import limits, texts
from aragora.errors import InvalidInput, NotFound
from aragora.identity.addresses import MAX_CHARS, NAME_MAX_CHARS, checked_email
from aragora.identity.logins import Challenge, TokenPair
from aragora.ids import BEGINNING_MIN_DIGITS, beginning_of_id, could_be_id
from aragora.scope import WORKSPACE_PATTERN
from aragora.server.views import UNCACHED, json_response


def _of_a_debate(text: str) -> str:
    """Raises NotFound for what no debate is called, before any store is asked."""
    if not could_be_id(text):
        raise NotFound("There is no such debate. List the debates with GET /api/debates.")
    return text


def _of_debates(text: str) -> str:
    beginning = beginning_of_id("deb", text)
    if beginning is None:
        raise ValueError(f"give {BEGINNING_MIN_DIGITS} to 32 hex digits, or these after deb_")
    return beginning


DebateId = Annotated[str, Path(min_length=1, max_length=limits.DEBATE_ID_MAX_CHARS), AfterValidator(_of_a_debate)]
Beginning = Annotated[str, AfterValidator(_of_debates)]  # of debates' ids


def _address(text: str) -> str:
    try:
        return checked_email(text)
    except InvalidInput as refused:
        raise ValueError(refused.message) from None


# Every text of a request is one of these two. See `aragora.texts` for what they refuse.
storable = texts.line
Line = Annotated[str, AfterValidator(texts.line)]
Prose = Annotated[str, AfterValidator(texts.prose)]
IdempotencyKey = Annotated[
    Line | None, Header(alias="Idempotency-Key", min_length=1, max_length=limits.IDEMPOTENCY_KEY_MAX_CHARS)
]
Workspace = Annotated[str, Field(pattern=WORKSPACE_PATTERN)]
GrantedWorkspace = Annotated[str, Field(pattern=f"{WORKSPACE_PATTERN}|^[*]$")]
Workspaces = Annotated[
    str | None,
    Query(
        pattern=f"{WORKSPACE_PATTERN}|^[*]$",
        description="a workspace, or `*` for all that the caller may use; unsaid: the API key's, else `default`",
    ),
]
Token = Annotated[Line, Field(min_length=1, max_length=4096)]
Name = Annotated[Line, Field(min_length=1, max_length=NAME_MAX_CHARS)]
Email = Annotated[str, Field(max_length=MAX_CHARS), AfterValidator(storable), AfterValidator(_address)]
FactorCode = Annotated[Line, Field(min_length=6, max_length=64)]
# Length and quality are the policy's, which says more than "too short"; here only what no password can be.
Password = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(storable)]


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
