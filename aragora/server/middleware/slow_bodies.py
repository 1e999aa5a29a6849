"""A request's body arrives within a bounded time, however the bytes trickle in."""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyDeadlineMiddleware:
    """Answers 408 where a route waits for a body that is not there `deadline_s` seconds after its request began, and
    closes the connection."""

    def __init__(self, app: ASGIApp, deadline_s: float) -> None:
        self._app = app
        self._deadline_s = deadline_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
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
                raise HTTPException(408, self._text(), {"Connection": "close"}) from None
            arriving = message["type"] == "http.request" and bool(message.get("more_body"))
            return message

        await self._app(scope, receive_in_time, send)

    def _text(self) -> str:
        return f"The body did not arrive within {self._deadline_s:g} seconds. Send it again, on a better connection."
