"""What a WebSocket client may make a replica keep in its memory: one message, and the answer to its latest pings.

Ray Serve makes the HTTP server of a replica itself, with uvicorn's own bound of 16 MB on a message and no setting for
it. uvicorn looks its WebSocket protocol up by name whenever a server is made, which Serve does after the replica's
application was built: so the name gets a protocol with our bound. A larger message, also one that only unpacks to more,
ends the connection with 1009 before it is whole. A connection that is closed with data unread is reset, and the reset
overtakes the 1009: so what the client still sends is read and dropped for a moment (RFC 6455, 7.1.1).

A message may come in any number of pieces, also empty ones, of which no bound on its size tells. uvicorn keeps each;
here they are put together as they come.

uvicorn answers each ping at once, also of a client that reads nothing. Here the answer waits until the client reads,
and a later one takes its place, as RFC 6455 (5.5.3) allows.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.websockets import auto
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

LINGER_S: Final = 2.0
"""How long a client that sent too much is listened to, so that it reads why it is cut off."""


class Bounded(WebSocketsSansIOProtocol):
    """uvicorn's protocol with both bounds; `max_bytes` is that of a message."""

    max_bytes: int

    def __init__(self, config: Config, *args: Any, **named: Any) -> None:
        config.ws_max_size = self.max_bytes
        super().__init__(config, *args, **named)
        self._owed = b""
        self._rest = bytearray()  # of a message in pieces, after its first

    def data_received(self, data: bytes) -> None:
        if self.conn.parser_exc is None:
            super().data_received(data)

    def handle_parser_exception(self) -> None:
        told = self.conn.close_sent
        assert told is not None
        self.queue.put_nowait({"type": "websocket.disconnect", "code": told.code, "reason": told.reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.transport.resume_reading()
        # uvicorn itself leaves the transport open while this timer runs, and cancels it when the connection is lost.
        self.close_timer = asyncio.get_running_loop().call_later(LINGER_S, self.transport.close)

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) == 1:  # the first piece stands alone, with room behind it for the rest
            self._rest = bytearray()
            self.frames.append(self._rest)  # type: ignore[arg-type]  # joined and decoded like bytes
        self._rest += event.data
        if event.fin:
            self.send_receive_event_to_app()

    def handle_ping(self) -> None:
        pong = b"".join(self.conn.data_to_send())
        if self.writable.is_set():
            self.transport.write(pong)
        elif pong:  # empty where an earlier ping of the same piece took it along
            self._owed = pong

    def resume_writing(self) -> None:
        super().resume_writing()
        pong, self._owed = self._owed, b""
        if pong and not self.transport.is_closing():
            self.transport.write(pong)


def bound_messages(most_bytes: int) -> None:
    """For the servers that this process makes from now on."""

    class OfThisProcess(Bounded):
        max_bytes = most_bytes

    auto.AutoWebSocketsProtocol = OfThisProcess
