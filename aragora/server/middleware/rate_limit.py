"""Limits by address, before anything else is done for a request, and the RateLimit headers of every answer."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aragora.errors import RateLimited
from aragora.identity.client_address import is_loopback, rate_limit_scope
from aragora.identity.rate_limits import PER_ADDRESS, RateLimits
from aragora.server.authentication import Authenticator, facts_of
from aragora.server.failures import of_error, refuse
from aragora.server.middleware.probes import PROBES


class RateLimitMiddleware:
    """`spare_loopback`: a development server does not limit its own machine."""

    def __init__(self, app: ASGIApp, limits: RateLimits, addresses: Authenticator, *, spare_loopback: bool) -> None:
        self._app = app
        self._limits = limits
        self._addresses = addresses
        self._spare_loopback = spare_loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        address = await self._addresses.arrival(facts_of(scope))
        if self._spare_loopback and is_loopback(address):
            await self._app(scope, receive, send)
            return
        verdict = await self._limits.hit(PER_ADDRESS, rate_limit_scope(address))
        told = [(name.lower().encode(), value.encode()) for name, value in verdict.headers().items()]

        async def send_with_limits(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *told]
            await send(message)

        answer = send_with_limits if scope["type"] == "http" else send
        if verdict.allowed:
            await self._app(scope, receive, answer)
            return
        error = RateLimited("Too many requests from this address.", retry_after_s=max(1.0, verdict.reset_s))
        await refuse(scope, receive, answer, of_error(scope, error))
