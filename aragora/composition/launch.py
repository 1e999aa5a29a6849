"""What a replica must know of how the server was started, and who may use it without a proof. Light: the launcher
imports nothing else of a replica."""

from __future__ import annotations

from dataclasses import dataclass

from aragora.config.legacy import HTTP_PORT, WS_PORT
from aragora.config.settings import Settings
from aragora.identity.origins import names_this_machine


@dataclass(frozen=True)
class Launch:
    """`started_at` is when the server (not a replica) started, in seconds since the epoch; `cluster` tells whether it
    runs on the nodes of a cluster."""

    settings: Settings
    started_at: float
    host: str = "127.0.0.1"
    http_port: int = HTTP_PORT
    ws_port: int = WS_PORT
    cluster: bool = False


def has_local_operator(settings: Settings, bind_host: str) -> bool:
    """Whether a caller from this machine without any proof is the operator: in development, on loopback, where no
    secret is set by which callers could prove who they are."""
    return (
        not settings.production
        and settings.api_token is None
        and settings.jwt_secret is None
        and names_this_machine(bind_host)
    )
