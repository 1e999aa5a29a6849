"""A debate's events as text/event-stream: the same fan-out and the same rules as the WebSocket's, one HTTP response a
client.

Resuming is the browser's own: each event's id is its seq, which comes back as Last-Event-ID.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

import structlog
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from aragora import encoding
from aragora.clock import Clock
from aragora.errors import AragoraError
from aragora.identity import workspaces
from aragora.server.authentication import Caller
from aragora.server.failures import INTERNAL_MESSAGE
from aragora.server.live.fanout import Fanout
from aragora.server.live.held import CLOSE_GRACE_S, Outlet, gone
from aragora.server.live.sockets import SocketRegistry

_log = structlog.get_logger(__name__)

_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_COMMENT: Final = ": still here\n\n"


class EventStream(Response):
    """Streams one debate until it ends, the client leaves, its login ends, or it is too slow (then it may resume)."""

    media_type = "text/event-stream"

    def __init__(
        self,
        fanout: Fanout,
        sockets: SocketRegistry,
        debate_id: str,
        after_seq: int,
        caller: Caller,
        *,
        clock: Clock,
        bound: int,
        deltas: bool,
    ) -> None:
        """`deltas`: also what agents are writing, as events `token` without an id."""
        super().__init__(None, 200, _HEADERS, "text/event-stream; charset=utf-8")
        del self.headers["content-length"]
        self._fanout = fanout
        self._sockets = sockets
        self._debate_id = debate_id
        self._after_seq = after_seq
        self._caller = caller
        self._clock = clock
        self._bound = bound
        self._deltas = deltas

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI's shape
        """Raises Unavailable and RateLimited before the stream begins, where there is no place for it."""
        head = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        stream = _Stream(self._caller, head, send, self._clock, self._bound)
        with self._sockets.holding(stream):
            stream.beat()  # at once, so that the client knows that it is connected
            joining = asyncio.create_task(self._join(stream))
            try:
                await stream.live(asyncio.create_task(gone(receive)))
            finally:
                joining.cancel()
                self._fanout.leave(self._debate_id, stream)
                await asyncio.gather(joining, return_exceptions=True)
        await stream.say_goodbye()

    async def _join(self, stream: _Stream) -> None:
        try:
            scope = workspaces.reach_of(self._caller.principal)
            await self._fanout.join(self._debate_id, self._after_seq, stream, scope)
            if self._deltas:
                self._fanout.watch(self._debate_id, stream)
        except AragoraError as error:
            stream.interrupted(self._debate_id, error.message)
        except Exception as error:  # noqa: BLE001  # the stream must not stay open with nothing to come
            _log.exception("event stream error", error=type(error).__name__, debate_id=self._debate_id)
            stream.interrupted(self._debate_id, INTERNAL_MESSAGE)


class _Stream(Outlet):
    def __init__(self, caller: Caller, head: Message, send: Send, clock: Clock, queue_bound: int) -> None:
        super().__init__(caller, clock, queue_bound)
        self._head = head
        self._send = send

    def offer(self, seq: int, payload: str) -> None:
        self.say(f"id: {seq}\ndata: {payload}\n\n")

    def glimpse(self, payload: str) -> None:
        self.hint(f"event: token\ndata: {payload}\n\n")

    def beat(self) -> None:
        self.say(_COMMENT)

    def ended(self, debate_id: str) -> None:  # noqa: ARG002  # a stream has one debate
        self.finish()

    def interrupted(self, debate_id: str, message: str) -> None:
        self.say(_error("interrupted", message, debate_id))
        self.finish()

    async def say_goodbye(self) -> None:
        """End the response, with the reason where `close` was called; gives up on a client that does not read."""
        last = "" if self.closed is None else _error("interrupted", self.closed[1])
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


def _error(code: str, message: str, debate_id: str = "") -> str:
    data = encoding.encode_text({"code": code, "message": message, "debate_id": debate_id})
    return f"event: error\ndata: {data}\n\n"
