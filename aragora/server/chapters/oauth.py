"""Login with Google, beside the password.

The tokens never stand in an address: the browser comes back with a code that works once.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import Query
from starlette.responses import RedirectResponse, Response

from aragora.encoding import decode, encode_text
from aragora.errors import AragoraError, NotFound, Unauthenticated
from aragora.identity.accounts import Accounts
from aragora.identity.oauth import STATE_S, OpenIdLogin
from aragora.identity.parts import IdentityParts
from aragora.identity.rbac import PUBLIC
from aragora.server.chapter import Call, Chapter
from aragora.server.schemas import Line, Secretive, Token, Tokens, tokens_response
from aragora.server.views import UNCACHED, json_response


@dataclass(frozen=True, slots=True)
class OAuthPorts:
    """What these routes call. `login` gives the login with Google, None where it is not set up; after it the browser
    goes on to `success_url` or `error_url`."""

    parts: IdentityParts
    accounts: Accounts
    login: Callable[[], Awaitable[OpenIdLogin]] | None
    success_url: str | None
    error_url: str | None


oauth: Chapter[OAuthPorts] = Chapter("identity")

COOKIE: Final = "aragora_oauth"
CALLBACK: Final = "/api/auth/oauth/google/callback"
EXCHANGE_S: Final = 60.0
_Text = Annotated[Line | None, Query(max_length=2048)]


class Exchange(Secretive):
    code: Token


@oauth.get("/api/auth/oauth/google", needs=PUBLIC, status=302, refuses=(404, 429, 503))
async def depart(call: Call[OAuthPorts], redirect: _Text = None) -> Response:
    """Send the browser to Google. `redirect` must be at a host of OAUTH_ALLOWED_REDIRECT_HOSTS."""
    leaving = await (await _login(call.ports)).depart(redirect)
    answer = RedirectResponse(leaving.url, 302, UNCACHED)
    answer.set_cookie(
        COOKIE,
        leaving.cookie,
        max_age=int(STATE_S),
        path=CALLBACK,
        secure=call.ports.parts.production,
        httponly=True,
        samesite="lax",
    )
    return answer


@oauth.get(CALLBACK, needs=PUBLIC, gives=Tokens, refuses=(401, 404, 409, 429, 503))
async def arrive(call: Call[OAuthPorts], state: _Text = None, code: _Text = None) -> Response:
    """Where Google sends the browser back: on to the success or error page, or the tokens where there is none."""
    login = await _login(call.ports)
    try:
        if state is None or code is None:
            raise Unauthenticated("The login was given up.", code="oauth_refused")
        arrival = await login.arrive(state, code, call.request.cookies.get(COOKIE))
        result = await call.ports.accounts.login_with(arrival, call.visit)
    except AragoraError as error:
        call.ports.parts.failed()
        if call.ports.error_url is None:
            raise
        return _gone(f"{call.ports.error_url}#{urlencode({'error': error.code})}")
    target = arrival.redirect or call.ports.success_url
    if target is None:
        return tokens_response(result)
    once = secrets.token_urlsafe(32)
    await call.ports.parts.shared.put(f"oauth-code:{once}", encode_text(result), EXCHANGE_S)
    return _gone(f"{target}#{urlencode({'code': once})}")


@oauth.post("/api/auth/oauth/exchange", needs=PUBLIC, gives=Tokens, refuses=(401, 429, 503))
async def exchange(call: Call[OAuthPorts], body: Exchange) -> Response:
    """The tokens for the code that the success page was given; once, within a minute."""
    raw = await call.ports.parts.shared.take(f"oauth-code:{body.code}")
    if raw is None:
        call.ports.parts.failed()
        raise Unauthenticated("The code is unknown, used or too old; log in again.", code="invalid_code")
    return json_response(decode(raw), headers=UNCACHED)


async def _login(ports: OAuthPorts) -> OpenIdLogin:
    if ports.login is None:
        raise NotFound("Login with Google is not set up: GOOGLE_OAUTH_CLIENT_ID and its siblings are unset.")
    return await ports.login()


def _gone(url: str) -> Response:
    answer = RedirectResponse(url, 302, UNCACHED)
    answer.delete_cookie(COOKIE, path=CALLBACK)
    return answer
