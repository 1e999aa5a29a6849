"""Which names this server answers to, and what pages of other web sites may do: nothing, unless allowed by name.

Both matter most in development, where the local operator acts without login: a web page that makes its own name resolve
to 127.0.0.1 must not be served (DNS rebinding), and a page elsewhere must not act (cross-site request forgery). The
rules are `aragora.identity.origins`; CORS answers proper are Starlette's CORSMiddleware, which sits inside.
"""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from aragora.identity.origins import host_answered, origin_allowed
from aragora.server.failures import failure, refuse

_MISDIRECTED: Final = 421  # Misdirected Request (RFC 9110, 15.5.20)
_HARMLESS: Final = frozenset({"GET", "HEAD"})


class HostCheckMiddleware:
    """Answers only to names of this machine and to `allowed_hosts`."""

    def __init__(self, app: ASGIApp, allowed_hosts: tuple[str, ...]) -> None:
        self._app = app
        self._allowed = frozenset(host.lower() for host in allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or host_answered(_header(scope, b"host"), self._allowed):
            await self._app(scope, receive, send)
            return
        message = "In development this server answers only to localhost. Use http://127.0.0.1, or name the host in the settings."
        await refuse(scope, receive, send, failure(scope, _MISDIRECTED, "host_not_allowed", message))


class OriginCheckMiddleware:
    """Lets what may change something pass from this server's own pages and from `allowed_origins`."""

    def __init__(self, app: ASGIApp, allowed_origins: tuple[str, ...]) -> None:
        self._app = app
        self._allowed = frozenset(origin.rstrip("/").lower() for origin in allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or scope.get("method") in _HARMLESS or self._welcome(scope):
            await self._app(scope, receive, send)
            return
        message = "Requests from this web origin are not allowed. Add it to ARAGORA_ALLOWED_ORIGINS if it is yours."
        await refuse(scope, receive, send, failure(scope, 403, "origin_not_allowed", message))

    def _welcome(self, scope: Scope) -> bool:
        return origin_allowed(
            _header(scope, b"origin"),
            _header(scope, b"host"),
            self._allowed,
            cross_site=_header(scope, b"sec-fetch-site") == "cross-site",
        )


def _header(scope: Scope, name: bytes) -> str | None:
    """The first value of a header; None where it is absent."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return None
