"""Headers of every answer: the id of its request, and what browsers must not do with it."""

from __future__ import annotations

import re
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, reset_contextvars

from aragora.ids import new_id
from aragora.server.failures import REQUEST_ID

_SOUND: Final = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_ALWAYS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
_UNLESS_SET: Final = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    (b"cache-control", b"no-store"),
)
_HSTS: Final = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")


class RequestIdMiddleware:
    """Gives every request an id, the caller's X-Request-ID where it is sound, else a fresh one: it goes into the
    response, into the context of every log line, and into error bodies."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        request_id = _offered(scope) or new_id("req")
        scope[REQUEST_ID] = request_id
        header = (b"x-request-id", request_id.encode())

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        tokens = bind_contextvars(request_id=request_id)
        try:
            await self._app(scope, receive, send_with_id if scope["type"] == "http" else send)
        finally:
            reset_contextvars(**tokens)


class SecurityHeadersMiddleware:
    """Tells browsers to trust nothing they need not. A route may set its own CSP and caching."""

    def __init__(self, app: ASGIApp, *, production: bool) -> None:
        self._app = app
        self._always = (*_ALWAYS, _HSTS) if production else _ALWAYS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.get("headers", ())
                present = {name for name, _ in headers}
                message["headers"] = [
                    *headers,
                    *self._always,
                    *(pair for pair in _UNLESS_SET if pair[0] not in present),
                ]
            await send(message)

        await self._app(scope, receive, send_guarded)


def _offered(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            sound: str | None = value.decode("ascii") if _SOUND.fullmatch(value) else None
            return sound
    return None
