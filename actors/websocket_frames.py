"""What a WebSocket client may make a replica keep in its memory: one message, and the answer to its latest pings.

Ray Serve makes the HTTP server of a replica itself, with uvicorn's own bound of 16 MB on a message and no setting for
it. uvicorn looks its WebSocket protocol up by name whenever a server is made, which Serve does after the replica's
application was built: so the name gets a protocol with our bound. A larger message, also one that only unpacks to more,
ends the connection with 1009 before it is whole.

uvicorn answers each ping at once, also of a client that reads nothing. Here the answer waits until the client reads,
and a later one takes its place, as RFC 6455 (5.5.3) allows.
"""

from __future__ import annotations

from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.websockets import auto
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


def bound_messages(max_bytes: int) -> None:
    """For the servers that this process makes from now on."""

    class Bounded(WebSocketsSansIOProtocol):
        def __init__(self, config: Config, *args: Any, **named: Any) -> None:
            config.ws_max_size = max_bytes
            super().__init__(config, *args, **named)
            self._owed = b""

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

    auto.AutoWebSocketsProtocol = Bounded
