"""Accounts and logins: register, log in, refresh, log out, who am I, WebSocket tickets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Body
from pydantic import AfterValidator, BaseModel, Field
from starlette.responses import Response

from aragora.errors import InvalidInput
from aragora.identity.accounts import Accounts
from aragora.identity.authentication import TICKET_S, Tickets
from aragora.identity.logins import Logins
from aragora.identity.parts import IdentityParts
from aragora.identity.rbac import PUBLIC, USER
from aragora.identity.second_factor import SecondFactor
from aragora.identity.workspaces import MAX_NAMED
from aragora.scope import DEFAULT_WORKSPACE, EVERY_WORKSPACE
from aragora.server.chapter import Call, Chapter
from aragora.server.schemas import (
    Account,
    Email,
    FactorCode,
    GrantedWorkspace,
    Name,
    Password,
    Secretive,
    Token,
    Tokens,
    storable,
    tokens_response,
)
from aragora.server.views import UNCACHED, json_response


@dataclass(frozen=True)
class IdentityPorts:
    """What these routes call, and `parts`, from which they are made."""

    parts: IdentityParts
    logins: Logins
    accounts: Accounts
    second_factor: SecondFactor
    tickets: Tickets


identity: Chapter[IdentityPorts] = Chapter("identity")

# --- What goes in and out

# Whoever logs in types the address as it was once taken, also by rules that have become stricter since.
KnownEmail = Annotated[str, Field(max_length=254, pattern=r"^[^\s@]+@[^\s@]+$"), AfterValidator(storable)]


class Register(Secretive):
    """A new account. With `roles`, which needs the right to manage users, it joins the caller's organisation, where it
    has them in these workspaces."""

    email: Email
    password: Password
    name: Name = "-"
    roles: Annotated[list[Name], Field(max_length=10)] = []  # noqa: RUF012  # pydantic copies it for each request
    workspaces: Annotated[list[GrantedWorkspace], Field(min_length=1, max_length=MAX_NAMED)] = [DEFAULT_WORKSPACE]  # noqa: RUF012  # as above


class Login(Secretive):
    """Either `email` and `password`, or the `challenge` of a first step with the `code` of the second factor."""

    email: KnownEmail | None = None
    password: Password | None = None
    challenge: Token | None = None
    code: FactorCode | None = None


class Refresh(Secretive):
    refresh_token: Token


class Logout(Secretive):
    """`everywhere` ends all logins of the user."""

    everywhere: bool = False


class Me(BaseModel):
    user_id: str
    org_id: str
    roles: list[str]
    permissions: list[str]
    workspaces: Annotated[list[str], Field(description="those that it may use; `*` is every one of the organisation")]
    method: str
    mfa: bool
    impersonator: str | None


class SocketTicket(BaseModel):
    ticket: str
    expires_in: int


# --- Routes


@identity.post("/api/auth/register", needs=PUBLIC, gives=Account, status=201, refuses=(401, 403, 409, 429, 503))
async def register(call: Call[IdentityPorts], body: Register) -> Response:
    """A new account with a new organisation, where ARAGORA_REGISTRATION lets anybody in; with `roles`, a member of the
    caller's, who must be able to manage users."""
    caller = await call.recognise() if body.roles else None
    user = await call.ports.accounts.register(
        body.email,
        body.password,
        body.name,
        call.visit,
        by=caller,
        roles=body.roles,
        workspaces=body.workspaces,
    )
    view = Account(user_id=user.user_id, email=user.email, name=user.name, org_id=user.org_id, roles=list(user.roles))
    return json_response(view.model_dump(), 201, UNCACHED)


@identity.post("/api/auth/login", needs=PUBLIC, gives=Tokens, refuses=(401, 409, 429, 503))
async def login(call: Call[IdentityPorts], body: Login) -> Response:
    """Log in with a password; where the answer says mfa_required, once more with `challenge` and `code`."""
    if body.challenge is not None and body.code is not None and body.password is None:
        return tokens_response(await call.ports.second_factor.complete(body.challenge, body.code, call.visit))
    if body.email is None or body.password is None or body.challenge is not None:
        raise InvalidInput("Send either email and password, or challenge and code.")
    return tokens_response(await call.ports.accounts.login(body.email, body.password, call.visit))


@identity.post("/api/auth/refresh", needs=PUBLIC, gives=Tokens, refuses=(401, 429, 503))
async def refresh(call: Call[IdentityPorts], body: Refresh) -> Response:
    """The next pair of tokens. Each refresh token works once; using one again ends the login."""
    return tokens_response(await call.ports.logins.refresh(body.refresh_token, call.visit))


@identity.post("/api/auth/logout", needs=USER, status=204, refuses=(403,))
async def logout(call: Call[IdentityPorts], body: Annotated[Logout | None, Body()] = None) -> Response:
    """End this login, or all of the user's."""
    everywhere = body is not None and body.everywhere
    await call.ports.logins.end(call.who, call.visit, everywhere=everywhere)
    return Response(status_code=204)


@identity.get("/api/auth/me", needs=USER, gives=Me)
async def me(call: Call[IdentityPorts]) -> Response:
    """Who the caller is and what it may do."""
    who = call.who
    view = Me(
        user_id=who.user_id,
        org_id=who.org_id,
        roles=list(who.roles),
        permissions=sorted(who.permissions),
        workspaces=[EVERY_WORKSPACE] if who.workspaces is None else sorted(who.workspaces),
        method=who.method.value,
        mfa=who.mfa,
        impersonator=who.impersonator,
    )
    return json_response(view.model_dump(), headers=UNCACHED)


@identity.post("/api/auth/ws-ticket", needs=USER, gives=SocketTicket)
async def ws_ticket(call: Call[IdentityPorts]) -> Response:
    """A ticket for one WebSocket, `ws://HOST/ws?ticket=...`, good for 30 seconds."""
    ticket = await call.ports.tickets.issue(call.who)
    return json_response({"ticket": ticket, "expires_in": int(TICKET_S)}, headers=UNCACHED)
