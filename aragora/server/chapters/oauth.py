"""Login with Google. The tokens never stand in an address: the browser brings back a code that works once."""

from __future__ import annotations

import secrets
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from aragora.encoding import decode, encode_text
from aragora.errors import AragoraError, NotFound, Unauthenticated
from aragora.identity.oauth import STATE_S, OpenIdLogin
from aragora.identity.rbac import PUBLIC
from aragora.server.chapters.auth import UNCACHED, tokens_response
from aragora.server.identity_bundle import Identity, identity_of
from aragora.server.identity_schemas import Exchange, Tokens
from aragora.server.policy import require
from aragora.server.schemas import failures
from aragora.server.views import json_response

router = APIRouter(tags=["identity"])

COOKIE: Final = "aragora_oauth"
CALLBACK: Final = "/api/auth/oauth/google/callback"
EXCHANGE_S: Final = 60.0
_Text = Annotated[str | None, Query(max_length=2048)]


@router.get(
    "/api/auth/oauth/google",
    status_code=302,
    dependencies=[require(PUBLIC)],
    responses=failures(404, 422, 429, 503),
)
async def depart(request: Request, redirect: _Text = None) -> Response:
    """Send the browser to Google. `redirect` must be at a host of OAUTH_ALLOWED_REDIRECT_HOSTS."""
    identity = identity_of(request)
    leaving = await (await _login(identity)).depart(redirect)
    answer = RedirectResponse(leaving.url, 302, UNCACHED)
    answer.set_cookie(
        COOKIE,
        leaving.cookie,
        max_age=int(STATE_S),
        path=CALLBACK,
        secure=identity.parts.production,
        httponly=True,
        samesite="lax",
    )
    return answer


@router.get(
    CALLBACK, dependencies=[require(PUBLIC)], response_model=Tokens, responses=failures(401, 404, 409, 422, 429, 503)
)
async def arrive(request: Request, state: _Text = None, code: _Text = None) -> Response:
    """Where Google sends the browser back: on to the success or error page, or the tokens where there is none."""
    identity = identity_of(request)
    login = await _login(identity)
    try:
        if state is None or code is None:
            raise Unauthenticated("The login was given up.", code="oauth_refused")
        arrival = await login.arrive(state, code, request.cookies.get(COOKIE))
        result = await identity.accounts.login_with(arrival, identity.visit(request))
    except AragoraError as error:
        identity.parts.failed()
        if identity.error_url is None:
            raise
        return _gone(f"{identity.error_url}#{urlencode({'error': error.code})}")
    target = arrival.redirect or identity.success_url
    if target is None:
        return tokens_response(result)
    once = secrets.token_urlsafe(32)
    await identity.parts.shared.put(f"oauth-code:{once}", encode_text(result), EXCHANGE_S)
    return _gone(f"{target}#{urlencode({'code': once})}")


@router.post(
    "/api/auth/oauth/exchange",
    dependencies=[require(PUBLIC)],
    response_model=Tokens,
    responses=failures(401, 413, 422, 429, 503),
)
async def exchange(request: Request, body: Exchange) -> Response:
    """The tokens for the code that the success page was given; once, within a minute."""
    identity = identity_of(request)
    raw = await identity.parts.shared.take(f"oauth-code:{body.code}")
    if raw is None:
        identity.parts.failed()
        raise Unauthenticated("The code is unknown, used or too old; log in again.", code="invalid_code")
    return json_response(decode(raw), headers=UNCACHED)


async def _login(identity: Identity) -> OpenIdLogin:
    if identity.oauth is None:
        raise NotFound("Login with Google is not set up: GOOGLE_OAUTH_CLIENT_ID and its siblings are unset.")
    return await identity.oauth()


def _gone(url: str) -> Response:
    answer = RedirectResponse(url, 302, UNCACHED)
    answer.delete_cookie(COOKIE, path=CALLBACK)
    return answer
