"""Tells the observer of every answered HTTP request: method, path template, status and seconds."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aragora.clock import Clock
from aragora.server.policy import route_template
from aragora.server.ports import RequestObserver


class TimingMiddleware:
    def __init__(self, app: ASGIApp, observer: RequestObserver, clock: Clock) -> None:
        self._app = app
        self._observer = observer
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = self._clock.monotonic()
        status = 500

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            self._observer(scope["method"], route_template(scope), status, self._clock.monotonic() - started)
