"""The largest WebSocket message that a replica takes into its memory.

Ray Serve makes the HTTP server of a replica itself, with uvicorn's own bound of 16 MB and no setting for it. uvicorn
looks its WebSocket protocol up by name whenever a server is made, which Serve does after the replica's application was
built: so the name gets a protocol with our bound. A larger message, also one that only unpacks to more, ends the
connection with 1009 before it is whole.
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

    auto.AutoWebSocketsProtocol = Bounded
