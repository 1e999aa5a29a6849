"""A debate's events as text/event-stream: the same fan-out as the WebSocket's, one HTTP response a client.

Resuming is the browser's own: each event's id is its seq, which comes back as Last-Event-ID.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from aragora import encoding
from aragora.errors import AragoraError
from aragora.server.live.fanout import Fanout
from aragora.server.live.sockets import SocketRegistry

_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_COMMENT: Final = b": still here\n\n"


class EventStream(Response):
    """Streams one debate until it ends, the client leaves, or it is too slow (then it may resume)."""

    media_type = "text/event-stream"

    def __init__(
        self,
        fanout: Fanout,
        sockets: SocketRegistry,
        debate_id: str,
        after_seq: int,
        org_id: str | None,
        *,
        bound: int,
        heartbeat_s: float,
    ) -> None:
        super().__init__(None, 200, _HEADERS, "text/event-stream; charset=utf-8")
        del self.headers["content-length"]
        self.window = max(1, bound // 2)
        self._fanout = fanout
        self._sockets = sockets
        self._debate_id = debate_id
        self._after_seq = after_seq
        self._org_id = org_id
        self._bound = bound
        self._heartbeat_s = heartbeat_s
        self._queue: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._over = False

    def offer(self, seq: int, payload: str) -> None:
        if len(self._queue) >= self._bound:
            self._over = True
        elif not self._over:
            self._queue.append(f"id: {seq}\ndata: {payload}\n\n".encode())
            self._empty.clear()
        self._wake.set()

    async def room(self) -> None:
        await self._empty.wait()

    def ended(self, debate_id: str) -> None:  # noqa: ARG002  # a stream has one debate
        self._over = True
        self._wake.set()

    def interrupted(self, debate_id: str, message: str) -> None:
        data = encoding.encode_text({"code": "interrupted", "message": message, "debate_id": debate_id})
        self._queue.append(f"event: error\ndata: {data}\n\n".encode())
        self.ended(debate_id)

    def close(self, code: int, reason: str) -> None:  # noqa: ARG002  # an event stream has no close codes
        self.interrupted(self._debate_id, reason)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI's shape
        self._sockets.add_stream(self)
        joining = asyncio.create_task(self._join())
        leaving = asyncio.create_task(_gone(receive))
        sending = asyncio.create_task(self._stream(send))
        try:
            await asyncio.wait({leaving, sending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (joining, leaving, sending):
                task.cancel()
            self._fanout.leave(self._debate_id, self)
            self._sockets.remove_stream(self)
            await asyncio.gather(joining, leaving, sending, return_exceptions=True)

    async def _join(self) -> None:
        try:
            await self._fanout.join(self._debate_id, self._after_seq, self, self._org_id)
        except AragoraError as error:
            self.interrupted(self._debate_id, error.message)

    async def _stream(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        while self._queue or not self._over:
            if self._queue:
                body = b"".join(self._queue)
                self._queue.clear()
            else:
                body = _COMMENT
            await send({"type": "http.response.body", "body": body, "more_body": True})
            if not self._queue:
                self._empty.set()
                await self._wait()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _wait(self) -> None:
        """Until something is offered, the end, or the time for a sign of life."""
        if self._over:
            return
        self._wake.clear()
        try:
            async with asyncio.timeout(self._heartbeat_s):
                await self._wake.wait()
        except TimeoutError:
            self._wake.set()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
