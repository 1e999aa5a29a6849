"""The events of a debate or an execution as text/event-stream: the same fan-out and the same rules as the WebSocket's,
one HTTP response a client.

Resuming is the browser's own: each event's id is its seq, which comes back as Last-Event-ID.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Annotated, Final

import structlog
from fastapi import Header
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from aragora import encoding
from aragora.clock import Clock
from aragora.errors import AragoraError, InvalidInput
from aragora.server.authentication import Caller
from aragora.server.failures import INTERNAL_MESSAGE
from aragora.server.live.held import CLOSE_GRACE_S, Outlet, gone
from aragora.server.live.sockets import SocketRegistry
from aragora.server.live.subjects import END_OF_EVENTS, Subject

_log = structlog.get_logger(__name__)

MEDIA_TYPE: Final = "text/event-stream"
MAX_SEQ: Final = 2**53

LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", max_length=32)]

_MAX_SEQ_DIGITS: Final = 15
_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_COMMENT: Final = ": still here\n\n"


def is_wanted(request: Request) -> bool:
    """Whether a request asks for a stream in place of a page."""
    return MEDIA_TYPE in request.headers.get("accept", "")


def resume_at(after: int, last_event_id: str | None) -> int:
    """The seq after which a stream begins: the event that the client had last, where it names one. Raises
    InvalidInput."""
    if last_event_id is None:
        return after
    if not (last_event_id.isascii() and last_event_id.isdigit()) or len(last_event_id) > _MAX_SEQ_DIGITS:
        raise InvalidInput("Last-Event-ID is not the id of an event of this stream. Leave it out to start anew.")
    return int(last_event_id)


class EventStream(Response):
    """Streams one journal until it is over, the client leaves, its login ends, or it is too slow (then it may
    resume)."""

    media_type = MEDIA_TYPE

    def __init__(
        self,
        subject: Subject,
        sockets: SocketRegistry,
        journal_id: str,
        after_seq: int,
        caller: Caller,
        *,
        clock: Clock,
        bound: int,
        deltas: bool = False,
    ) -> None:
        """`deltas`: also what agents are writing, as events `token` without an id."""
        super().__init__(None, 200, _HEADERS, f"{MEDIA_TYPE}; charset=utf-8")
        del self.headers["content-length"]
        self._subject = subject
        self._sockets = sockets
        self._journal_id = journal_id
        self._after_seq = after_seq
        self._caller = caller
        self._clock = clock
        self._bound = bound
        self._deltas = deltas

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI's shape
        """Raises Unavailable and RateLimited before the stream begins, where there is no place for it."""
        head = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        stream = _Stream(self._subject, self._caller, head, send, clock=self._clock, bound=self._bound)
        with self._sockets.holding(stream):
            stream.beat()  # at once, so that the client knows that it is connected
            joining = asyncio.create_task(self._join(stream))
            try:
                await stream.live(asyncio.create_task(gone(receive)))
            finally:
                joining.cancel()
                self._subject.fanout.leave(self._journal_id, stream)
                await asyncio.gather(joining, return_exceptions=True)
        await stream.say_goodbye()

    async def _join(self, stream: _Stream) -> None:
        try:
            scope = self._subject.reach(self._caller.principal)
            await self._subject.fanout.join(self._journal_id, self._after_seq, stream, scope)
            if self._deltas:
                self._subject.fanout.watch(self._journal_id, stream)
        except AragoraError as error:
            stream.interrupted(self._journal_id, error.message)
        except Exception as error:  # noqa: BLE001  # the stream must not stay open with nothing to come
            _log.exception("event stream error", error=type(error).__name__, journal_id=self._journal_id)
            stream.interrupted(self._journal_id, INTERNAL_MESSAGE)


class _Stream(Outlet):
    def __init__(
        self, subject: Subject, caller: Caller, head: Message, send: Send, *, clock: Clock, bound: int
    ) -> None:
        super().__init__(caller, clock, bound)
        self._subject = subject
        self._head = head
        self._send = send

    def offer(self, seq: int, payload: str) -> None:
        self.say(f"id: {seq}\ndata: {payload}\n\n")

    def glimpse(self, payload: str) -> None:
        self.hint(f"event: token\ndata: {payload}\n\n")

    def beat(self) -> None:
        self.say(_COMMENT)

    def ended(self, journal_id: str) -> None:
        if self._subject.tells_end:
            self.say(_event(END_OF_EVENTS, {self._subject.named: journal_id}))
        self.finish()

    def interrupted(self, journal_id: str, message: str) -> None:
        self.say(self._error(message, journal_id))
        self.finish()

    async def say_goodbye(self) -> None:
        """End the response, with the reason where `close` was called; gives up on a client that does not read."""
        last = "" if self.closed is None else self._error(self.closed[1])
        try:
            async with asyncio.timeout(CLOSE_GRACE_S):
                await self._send({"type": "http.response.body", "body": last.encode(), "more_body": False})
        except (TimeoutError, OSError, RuntimeError):
            self.dropped += 1

    async def _write(self) -> None:
        self.last_sent_at = self.sending_since = self._clock.monotonic()
        await self._send(self._head)
        await super()._write()

    async def _send_next(self, queue: deque[str]) -> None:
        texts = len(queue)
        body = "".join(queue).encode()
        queue.clear()
        await self._send({"type": "http.response.body", "body": body, "more_body": True})
        self.sent += texts

    def _error(self, message: str, journal_id: str = "") -> str:
        return _event("error", {"code": "interrupted", "message": message, self._subject.named_in_errors: journal_id})


def _event(name: str, data: object) -> str:
    """An event of the server's own: it has no id."""
    return f"event: {name}\ndata: {encoding.encode_text(data)}\n\n"
