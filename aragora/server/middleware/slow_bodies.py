"""An unfinished body holds a connection for a bounded time, however its bytes trickle in."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_CLOSE: Final = (b"connection", b"close")


class BodyDeadlineMiddleware:
    """Answers 408 where a route waits for a body that is not there `deadline_s` seconds after its request began.
    Whoever is answered before the body was read, whatever the answer, loses the connection: it would be read to its
    end."""

    def __init__(self, app: ASGIApp, deadline_s: float) -> None:
        self._app = app
        self._deadline_s = deadline_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(scope):
            await self._app(scope, receive, send)
            return
        deadline = asyncio.get_running_loop().time() + self._deadline_s
        arriving = True

        async def receive_in_time() -> Message:
            nonlocal arriving
            if not arriving:
                return await receive()  # for the client's leaving, which may take as long as it likes
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, self._text()) from None
            arriving = message["type"] == "http.request" and bool(message.get("more_body"))
            return message

        async def send_and_close(message: Message) -> None:
            if arriving and message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), _CLOSE]
            await send(message)

        await self._app(scope, receive_in_time, send_and_close)

    def _text(self) -> str:
        return f"The body did not arrive within {self._deadline_s:g} seconds. Send it again, on a better connection."


def _has_body(scope: Scope) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )
