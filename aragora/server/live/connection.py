"""One WebSocket client: a bounded queue of encoded texts, the one task that sends them, and its end.

A client whose queue overflows, or whose send takes too long, is dropped with a close reason. Offering
a text never waits for the network.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final

from starlette.types import Send

from aragora.clock import Clock
from aragora.identity.principal import Principal
from aragora.server.live.envelopes import envelope

GOING_AWAY: Final = 1001
UNSUPPORTED: Final = 1003
POLICY: Final = 1008
TOO_BIG: Final = 1009
RESTART: Final = 1012
TRY_LATER: Final = 1013

_CLOSE_GRACE_S: Final = 10.0
_MAX_REASON_BYTES: Final = 123  # RFC 6455, 5.5


class Connection:
    """A `Listener` of the fan-out. `subscriptions` holds the debates it watches, with the task of its joining."""

    def __init__(self, connection_id: str, principal: Principal, send: Send, clock: Clock, queue_bound: int) -> None:
        self.connection_id = connection_id
        self.principal = principal
        self.window = max(1, queue_bound // 2)
        self.subscriptions: dict[str, asyncio.Task[None]] = {}
        self.sent = 0
        self.dropped = 0
        self.last_sent_at = clock.monotonic()
        self.sending_since: float | None = None
        self._clock = clock
        self._send = send
        self._bound = queue_bound
        self._queue: deque[str] = deque()
        # Bare futures, made only where a task waits: events would cost more than the sending itself.
        self._idle_writer: asyncio.Future[None] | None = None
        self._waiting_for_room: list[asyncio.Future[None]] = []
        self._closing: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()

    # --- what others hand over ---------------------------------------------------------------------------

    def offer(self, seq: int, payload: str) -> None:  # noqa: ARG002  # the seq is in the payload already
        """Queue an event."""
        self.say(payload)

    def say(self, text: str) -> None:
        """Queue a text, or drop the client whose queue is full."""
        if self._closing.done():
            self.dropped += 1
        elif len(self._queue) >= self._bound:
            self.dropped += 1
            self.close(TRY_LATER, f"slow client: {self._bound} messages behind; reconnect with after_seq")
        else:
            self._queue.append(text)
            writer = self._idle_writer
            if writer is not None and not writer.done():
                writer.set_result(None)

    def tell(self, kind: str, data: object, loop_id: str = "") -> None:
        """Queue a message of the server's own."""
        self.say(envelope(kind, self._clock.now(), data, loop_id))

    async def room(self) -> None:
        while self._queue or self.sending_since is not None:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting_for_room.append(waiter)
            await waiter

    def ended(self, debate_id: str) -> None:
        self.subscriptions.pop(debate_id, None)

    def interrupted(self, debate_id: str, message: str) -> None:
        self.subscriptions.pop(debate_id, None)
        self.tell("error", {"code": "interrupted", "message": f"{message} Subscribe again with after_seq."}, debate_id)

    def close(self, code: int, reason: str) -> None:
        """End the connection soon, with this reason; the first call counts."""
        if not self._closing.done():
            self._closing.set_result((code, reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")))

    # --- its life ----------------------------------------------------------------------------------------

    async def live(self, reader: asyncio.Task[None]) -> None:
        """Send what is queued until the client leaves (`reader` ends) or `close` is called."""
        writer = asyncio.create_task(self._write())
        try:
            ends: set[asyncio.Future[Any]] = {writer, reader, self._closing}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.dropped += len(self._queue)
            self._queue.clear()
            for task in (writer, reader):
                task.cancel()
            await asyncio.gather(writer, reader, return_exceptions=True)

    async def say_goodbye(self) -> None:
        """Send the close frame if `close` was called; gives up on a client that does not read."""
        if not self._closing.done():
            return
        code, reason = self._closing.result()
        try:
            async with asyncio.timeout(_CLOSE_GRACE_S):
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except (TimeoutError, OSError, RuntimeError):
            self.dropped += 1

    async def _write(self) -> None:
        queue, send, clock = self._queue, self._send, self._clock
        loop = asyncio.get_running_loop()
        while True:
            while queue:
                text = queue.popleft()
                self.last_sent_at = self.sending_since = clock.monotonic()
                await send({"type": "websocket.send", "text": text})
                self.sent += 1
            self.sending_since = None
            self._give_room()
            self._idle_writer = loop.create_future()
            await self._idle_writer
            self._idle_writer = None

    def _give_room(self) -> None:
        for waiter in self._waiting_for_room:
            if not waiter.done():
                waiter.set_result(None)
        self._waiting_for_room.clear()
