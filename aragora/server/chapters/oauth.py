"""Login with Google, beside the password.

The tokens never stand in an address: the browser comes back with a code that works once, and only for the browser or
page that began the login (aragora.identity.oauth). A page on the server's own origin has nothing to do for that: the
cookie goes with its exchange. Any other page names a `challenge` when it begins and sends the `verifier` with the code.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Final, Literal
from urllib.parse import urlencode

from fastapi import Query
from pydantic import Field
from starlette.responses import RedirectResponse, Response

from aragora.errors import AragoraError, NotFound, Unauthenticated, Unavailable
from aragora.identity.accounts import Accounts
from aragora.identity.logins import Logins
from aragora.identity.oauth import EXCHANGE_S, STATE_S, FinishedLogins, OpenIdLogin, digest_of
from aragora.identity.parts import IdentityParts
from aragora.identity.rate_limits import LOGIN_PER_ADDRESS
from aragora.identity.rbac import PUBLIC
from aragora.server.chapter import Call, Chapter
from aragora.server.schemas import Line, Secretive, Token, Tokens, tokens_response
from aragora.server.views import UNCACHED


@dataclass(frozen=True, slots=True)
class OAuthPorts:
    """What these routes call. `login` gives the login with Google, None where it is not set up; after it the browser
    goes on to `success_url` or `error_url`."""

    parts: IdentityParts
    accounts: Accounts
    logins: Logins
    finished: FinishedLogins
    login: Callable[[], Awaitable[OpenIdLogin]] | None
    success_url: str | None
    error_url: str | None


oauth: Chapter[OAuthPorts] = Chapter("identity")

CALLBACK: Final = "/api/auth/oauth/google/callback"
EXCHANGE: Final = "/api/auth/oauth/exchange"


@dataclass(frozen=True, slots=True)
class _Cookie:
    """A cookie of one step of the login, sent back to that step alone."""

    name: str
    path: str
    lifetime_s: float
    samesite: Literal["lax", "strict"]

    def set(self, answer: Response, value: str, *, production: bool) -> None:
        answer.set_cookie(
            self.name,
            value,
            max_age=int(self.lifetime_s),
            path=self.path,
            secure=production,
            httponly=True,
            samesite=self.samesite,
        )

    def end(self, answer: Response) -> None:
        answer.delete_cookie(self.name, path=self.path)


# Lax: the browser comes back from the provider's site.
BACK: Final = _Cookie("aragora_oauth", CALLBACK, STATE_S, "lax")
EXCHANGING: Final = _Cookie("aragora_oauth_code", EXCHANGE, EXCHANGE_S, "strict")

_Text = Annotated[Line | None, Query(max_length=2048)]
_Challenge = Annotated[str | None, Query(pattern="^[A-Za-z0-9_-]{43}$")]


class Exchange(Secretive):
    """`verifier`: what the `challenge` of the departure was made of, where there was one."""

    code: Token
    verifier: Annotated[Line, Field(min_length=43, max_length=128)] | None = None


@oauth.get("/api/auth/oauth/google", needs=PUBLIC, status=302, refuses=(404, 429, 503))
async def depart(call: Call[OAuthPorts], redirect: _Text = None, challenge: _Challenge = None) -> Response:
    """Send the browser to Google. `redirect` must be at a host of OAUTH_ALLOWED_REDIRECT_HOSTS; `challenge` is the
    SHA-256 of the page's verifier in base64url, for a page that is not on this server's origin."""
    login = await _login(call.ports)
    # What is kept of it rests for ten minutes. Nobody comes back without having left, so this limits the rest too.
    await call.ports.parts.limit_address(LOGIN_PER_ADDRESS, call.visit)
    leaving = await login.depart(redirect, challenge)
    answer = RedirectResponse(leaving.url, 302, UNCACHED)
    BACK.set(answer, leaving.cookie, production=call.ports.parts.production)
    return answer


@oauth.get(CALLBACK, needs=PUBLIC, gives=Tokens, refuses=(401, 403, 404, 409, 429, 503))
async def arrive(call: Call[OAuthPorts], state: _Text = None, code: _Text = None) -> Response:
    """Where Google sends the browser back: on to the success or error page, or the tokens where there is none."""
    login = await _login(call.ports)
    try:
        if state is None or code is None:
            raise Unauthenticated("The login was given up.", code="oauth_refused")
        arrival = await login.arrive(state, code, call.request.cookies.get(BACK.name))
        user = await call.ports.accounts.arrived(arrival, call.visit)
    except AragoraError as error:
        if not isinstance(error, Unavailable):
            call.ports.parts.failed()
        if call.ports.error_url is None:
            raise
        return _gone(f"{call.ports.error_url}#{urlencode({'error': error.code})}")
    target = arrival.redirect or call.ports.success_url
    if target is None:
        return tokens_response(await call.ports.logins.begin(user, call.visit, method="oauth"))
    kept = secrets.token_urlsafe(32)
    once = await call.ports.finished.save(user.user_id, arrival.challenge or digest_of(kept))
    answer = _gone(f"{target}#{urlencode({'code': once})}")
    if arrival.challenge is None:
        EXCHANGING.set(answer, kept, production=call.ports.parts.production)
    return answer


@oauth.post(EXCHANGE, needs=PUBLIC, gives=Tokens, refuses=(401, 429, 503))
async def exchange(call: Call[OAuthPorts], body: Exchange) -> Response:
    """The tokens for the code that the success page was given; once, within a minute, in the browser that began."""
    ports = call.ports
    try:
        user_id = await ports.finished.take(body.code, body.verifier or call.request.cookies.get(EXCHANGING.name))
        user = await ports.accounts.able(user_id, call.visit)
    except Unauthenticated:
        ports.parts.failed()
        raise
    answer = tokens_response(await ports.logins.begin(user, call.visit, method="oauth"))
    EXCHANGING.end(answer)
    return answer


async def _login(ports: OAuthPorts) -> OpenIdLogin:
    if ports.login is None:
        raise NotFound("Login with Google is not set up: GOOGLE_OAUTH_CLIENT_ID and its siblings are unset.")
    return await ports.login()


def _gone(url: str) -> Response:
    answer = RedirectResponse(url, 302, UNCACHED)
    BACK.end(answer)
    return answer
