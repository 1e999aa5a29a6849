"""What a replica must know of how the server was started. Light: the launcher imports nothing else of a replica."""

from __future__ import annotations

from dataclasses import dataclass

from aragora.config.legacy import HTTP_PORT, WS_PORT
from aragora.config.settings import Settings


@dataclass(frozen=True)
class Launch:
    """`started_at` is when the server (not a replica) started, in seconds since the epoch."""

    settings: Settings
    started_at: float
    host: str = "127.0.0.1"
    http_port: int = HTTP_PORT
    ws_port: int = WS_PORT
