"""The outcome of requests: an observer counts each one, the log has a line of each (in a flood, of some), the last
failures of this replica are kept as notes, and an unexpected error is logged with its stack and answered with a 500
that tells nothing.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aragora.clock import Clock
from aragora.observability.line_budget import LineBudgets
from aragora.server.error_notes import ErrorNote, ErrorNotes
from aragora.server.failures import CALLER, INTERNAL_MESSAGE, REQUEST_ID, failure
from aragora.server.middleware.probes import PROBES
from aragora.server.ports import RequestObserver

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_NOT_NOW: Final = 503
_CLIENT_LEFT: Final = 499  # as proxies log it; no client ever sees it

_log = structlog.get_logger(__name__)


class TimingMiddleware:
    """Tells the observer and the log of every HTTP request that is over: method, path template, status and seconds. One
    whose client left before the answer began has the status 499, which is no failure of the server."""

    def __init__(self, app: ASGIApp, observer: RequestObserver, clock: Clock) -> None:
        self._app = app
        self._observer = observer
        self._clock = clock
        self._lines = LineBudgets()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = self._clock.monotonic()
        status: int | None = None

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except asyncio.CancelledError:  # Serve ends a request whose client has left
            status = status or _CLIENT_LEFT
            raise
        finally:
            status = status or 500
            ended = self._clock.monotonic()
            self._observer(scope["method"], _template(scope), status, ended - started)
            self._log(scope, status, ended, ended - started)

    def _log(self, scope: Scope, status: int, now: float, seconds: float) -> None:
        if status < 400 and scope["path"] in PROBES:
            return
        method, path = scope["method"], _template(scope)
        # By kind, at most twelve: clients that poll or leave must hide neither the refusal that a person looks for by
        # its id, nor what changed something.
        kind = _CLIENT_LEFT if status == _CLIENT_LEFT else status // 100
        more = self._lines.take((method in _READS, kind), now)
        if more is None:
            return
        (_log.warning if status >= 500 else _log.info)(
            f"{method} {path} {status}",
            method=method,
            path=path,
            status=status,
            latency_s=round(seconds, 4),
            user=scope.get(CALLER),
            **more,
        )


class ErrorNotesMiddleware:
    """Notes every answer with 5xx and every exception on its way to the last net. That a probe is told "not now", over
    and over, is no failure: it would drive the failures out."""

    def __init__(self, app: ASGIApp, notes: ErrorNotes, clock: Clock) -> None:
        self._app = app
        self._notes = notes
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_and_note(message: Message) -> None:
            status = message["status"] if message["type"] == "http.response.start" else 0
            if status >= 500 and not (status == _NOT_NOW and scope["path"] in PROBES):
                self._note(scope, status, "answered")
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except Exception as error:
            self._note(scope, 500, type(error).__name__)
            raise

    def _note(self, scope: Scope, status: int, error: str) -> None:
        self._notes.add(
            ErrorNote(
                at=self._clock.now(),
                method=scope["method"],
                path=_template(scope),
                status=status,
                error=error,
                request_id=scope.get(REQUEST_ID, ""),
                replica_id=self._notes.replica_id,
            )
        )


class FaultMiddleware:
    """The last net: logs an unexpected error with its stack, and answers with a 500 that tells nothing."""

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


def _template(scope: Scope) -> str:
    """The path template the request was routed to, `unmatched` where there is none."""
    return getattr(scope.get("route"), "path", None) or "unmatched"
