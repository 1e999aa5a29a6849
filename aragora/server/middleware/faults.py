"""The last net: an unexpected error is logged with its stack and answered with a 500 that tells nothing."""

from __future__ import annotations

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aragora.server.failures import INTERNAL_MESSAGE, failure

_log = structlog.get_logger(__name__)


class FaultMiddleware:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_and_note(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except Exception as error:
            _log.exception("unexpected error", method=scope["method"], path=scope["path"], error=type(error).__name__)
            if started:
                raise  # the answer is cut off where it stands, so that the client does not take it for whole
            await failure(scope, 500, "internal", INTERNAL_MESSAGE)(scope, receive, send)
