"""Accounts and logins: register, log in, refresh, log out, who am I, API keys, WebSocket tickets."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Query, Request
from starlette.responses import Response

from aragora.errors import InvalidInput
from aragora.identity.api_keys import PREFIX
from aragora.identity.authentication import TICKET_S
from aragora.identity.logins import Challenge, TokenPair
from aragora.identity.rbac import PUBLIC, USER
from aragora.server.authentication import facts_of
from aragora.server.identity_bundle import identity_of
from aragora.server.identity_schemas import (
    Account,
    ChangePassword,
    CreatedApiKey,
    Login,
    Logout,
    Me,
    NewApiKey,
    Refresh,
    Register,
    Revoked,
    Ticket,
    Tokens,
)
from aragora.server.policy import caller_of, require
from aragora.server.schemas import failures
from aragora.server.views import json_response

router = APIRouter(tags=["identity"])

# Answers with secrets in them are kept nowhere on the way.
UNCACHED = {"Cache-Control": "no-store"}
DAY_S = 86400.0


def tokens_response(result: TokenPair | Challenge) -> Response:
    return json_response(result, headers=UNCACHED)


@router.post(
    "/api/auth/register",
    status_code=201,
    dependencies=[require(PUBLIC)],
    response_model=Account,
    responses=failures(401, 403, 409, 413, 422, 429, 503),
)
async def register(request: Request, body: Register) -> Response:
    """A new account. A stranger gets an organisation of its own; who may manage users adds to theirs by `roles`."""
    identity = identity_of(request)
    caller = await identity.authenticator.recognise(facts_of(request.scope)) if body.roles else None
    user = await identity.accounts.register(
        body.email,
        body.password,
        body.name,
        identity.visit(request),
        by=caller,
        roles=body.roles,
    )
    view = Account(user_id=user.user_id, email=user.email, name=user.name, org_id=user.org_id, roles=list(user.roles))
    return json_response(view.model_dump(), 201, UNCACHED)


@router.post(
    "/api/auth/login",
    dependencies=[require(PUBLIC)],
    response_model=Tokens,
    responses=failures(401, 413, 422, 429, 503),
)
async def login(request: Request, body: Login) -> Response:
    """Log in with a password; where the answer says mfa_required, once more with `challenge` and `code`."""
    identity = identity_of(request)
    if body.challenge is not None and body.code is not None and body.password is None:
        return tokens_response(
            await identity.second_factor.complete(body.challenge, body.code, identity.visit(request))
        )
    if body.email is None or body.password is None or body.challenge is not None:
        raise InvalidInput("Send either email and password, or challenge and code.")
    return tokens_response(await identity.accounts.login(body.email, body.password, identity.visit(request)))


@router.post(
    "/api/auth/refresh",
    dependencies=[require(PUBLIC)],
    response_model=Tokens,
    responses=failures(401, 413, 422, 429, 503),
)
async def refresh(request: Request, body: Refresh) -> Response:
    """The next pair of tokens. Each refresh token works once; using one again ends the login."""
    identity = identity_of(request)
    return tokens_response(await identity.logins.refresh(body.refresh_token, identity.visit(request)))


@router.post(
    "/api/auth/logout", status_code=204, dependencies=[require(USER)], responses=failures(401, 413, 422, 429, 503)
)
async def logout(request: Request, body: Annotated[Logout | None, Body()] = None) -> Response:
    """End this login, or all of the user's."""
    identity = identity_of(request)
    everywhere = body is not None and body.everywhere
    await identity.logins.end(caller_of(request), identity.visit(request), everywhere=everywhere)
    return Response(status_code=204)


@router.get("/api/auth/me", dependencies=[require(USER)], response_model=Me, responses=failures(401, 429, 503))
async def me(request: Request) -> Response:
    """Who the caller is and what it may do."""
    who = caller_of(request)
    view = Me(
        user_id=who.user_id,
        org_id=who.org_id,
        roles=list(who.roles),
        permissions=sorted(who.permissions),
        method=who.method.value,
        mfa=who.mfa,
        impersonator=who.impersonator,
    )
    return json_response(view.model_dump(), headers=UNCACHED)


@router.post(
    "/api/auth/password",
    status_code=204,
    dependencies=[require(USER)],
    responses=failures(401, 403, 404, 413, 422, 429, 503),
)
async def change_password(request: Request, body: ChangePassword) -> Response:
    """Change the own password; all other logins end."""
    identity = identity_of(request)
    await identity.accounts.change_password(caller_of(request), body.current, body.new, identity.visit(request))
    return Response(status_code=204)


@router.post(
    "/api/auth/api-key",
    status_code=201,
    dependencies=[require(USER)],
    response_model=CreatedApiKey,
    responses=failures(401, 403, 404, 409, 413, 422, 429, 503),
)
async def create_api_key(request: Request, body: Annotated[NewApiKey | None, Body()] = None) -> Response:
    """A new API key. Its text is in this answer and nowhere afterwards."""
    identity, wanted = identity_of(request), body or NewApiKey()
    lifetime_s = None if wanted.expires_in_days is None else wanted.expires_in_days * DAY_S
    key, text = await identity.accounts.create_key(
        caller_of(request), wanted.name, identity.visit(request), lifetime_s=lifetime_s
    )
    view = CreatedApiKey(
        key_id=key.key_id,
        api_key=text,
        prefix=f"{PREFIX}{key.key_id}",
        name=key.name,
        created_at=key.created_at,
        expires_at=key.expires_at,
    )
    return json_response(view.model_dump(), 201, UNCACHED)


@router.delete(
    "/api/auth/api-key",
    dependencies=[require(USER)],
    response_model=Revoked,
    responses=failures(401, 403, 422, 429, 503),
)
async def revoke_api_key(
    request: Request, key_id: Annotated[str | None, Query(pattern="^[0-9a-f]{16}$")] = None
) -> Response:
    """Revoke one of the own keys, or all."""
    identity = identity_of(request)
    return json_response(
        {"revoked": await identity.accounts.revoke_keys(caller_of(request), identity.visit(request), key_id)}
    )


@router.post(
    "/api/auth/ws-ticket", dependencies=[require(USER)], response_model=Ticket, responses=failures(401, 429, 503)
)
async def ws_ticket(request: Request) -> Response:
    """A ticket for one WebSocket, `ws://HOST/ws?ticket=...`, good for 30 seconds."""
    ticket = await identity_of(request).tickets.issue(caller_of(request))
    return json_response({"ticket": ticket, "expires_in": int(TICKET_S)}, headers=UNCACHED)
