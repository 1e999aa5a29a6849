"""What a request may be: its body is bounded, and HEAD is answered like GET without the body."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aragora.server.failures import CALLER, failure


class BodyLimitMiddleware:
    """Lets no body over the limit reach a route, whether its length was declared or it comes in chunks."""

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        if self._declared(scope) > self._max_body_bytes:
            await failure(scope, 413, "too_large", self._text())(scope, receive, send)
            return
        received = 0

        async def receive_bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_body_bytes:
                raise HTTPException(413, self._text())
            return message

        await self._app(scope, receive_bounded, send)

    def _declared(self, scope: Scope) -> int:
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit():
                return int(value[:20])
        return 0

    def _text(self) -> str:
        return f"The body is over {self._max_body_bytes} bytes, the limit of this server. Send less."


class HeadMiddleware:
    """Makes HEAD work wherever GET does: the route answers as for GET, and the body stays here (RFC 9110, 9.3.2).

    The answer is over with its head, however long the body would be: for the client and every proxy it is, and what
    they ask next on the connection must not wait for the end of a stream. The route then hears that the client left.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        as_get = {**scope, "method": "GET"}  # a copy: the HTTP server still has to know that it was HEAD
        over = False

        async def send_without_body(message: Message) -> None:
            nonlocal over
            if message["type"] == "http.response.body":
                if over:
                    return
                over = True
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            else:
                _tell_back(as_get, scope)
            await send(message)

        try:
            await self._app(as_get, receive, send_without_body)
        finally:
            _tell_back(as_get, scope)


def _tell_back(inner: Scope, outer: Scope) -> None:
    """What the stages around look for in the scope: they have their own, and see nothing of the copy."""
    for key in ("route", CALLER):
        if key in inner:
            outer[key] = inner[key]
