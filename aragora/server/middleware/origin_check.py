"""What other web sites may do: nothing, but for the origins that are allowed by name.

Browsers send Origin with every cross-origin request that may change something, and with every WebSocket
handshake. Such a request passes only from this server's own pages or an allowed origin. This matters most in
development, where the local operator acts without login (cross-site request forgery). CORS answers proper are
Starlette's CORSMiddleware, which sits inside.
"""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from aragora.identity.origins import origin_allowed
from aragora.server.failures import failure
from aragora.server.middleware.handshake import refuse_handshake

_HARMLESS: Final = frozenset({"GET", "HEAD"})


class OriginCheckMiddleware:
    def __init__(self, app: ASGIApp, allowed_origins: tuple[str, ...]) -> None:
        self._app = app
        self._allowed = frozenset(origin.rstrip("/").lower() for origin in allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or scope.get("method") in _HARMLESS or self._welcome(scope):
            await self._app(scope, receive, send)
            return
        message = "Requests from this web origin are not allowed. Add it to ARAGORA_ALLOWED_ORIGINS if it is yours."
        await refuse_handshake(scope, receive, send, failure(scope, 403, "origin_not_allowed", message))

    def _welcome(self, scope: Scope) -> bool:
        origin = host = None
        cross_site = False
        for name, value in scope["headers"]:
            if name == b"origin":
                origin = value.decode("latin-1")
            elif name == b"host":
                host = value.decode("latin-1")
            elif name == b"sec-fetch-site":
                cross_site = value == b"cross-site"
        return origin_allowed(origin, host, self._allowed, cross_site=cross_site)
