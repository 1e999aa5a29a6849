"""Every request has an id: the caller's X-Request-ID where it is sound, else a fresh one.

The id goes back in the response, into the context of every log line, and into error bodies.
"""

from __future__ import annotations

import re
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, reset_contextvars

from aragora.ids import new_id
from aragora.server.failures import REQUEST_ID

_SOUND: Final = re.compile(rb"[A-Za-z0-9._-]{1,128}")


class RequestIdMiddleware:
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


def _offered(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            sound: str | None = value.decode("ascii") if _SOUND.fullmatch(value) else None
            return sound
    return None
