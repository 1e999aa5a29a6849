"""Where an actor can be reached without Ray: its node, and a Unix socket there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import ray
import structlog

log = structlog.get_logger("aragora.runtime")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A node of the cluster, and a Unix socket on it unless none could be made."""

    node: str
    socket: str | None

    @property
    def near(self) -> str | None:
        """The socket's path where this process runs on the same node."""
        return self.socket if self.node == this_node() else None


async def endpoint_at(listen: Callable[[], Awaitable[str]]) -> Endpoint:
    """This process's endpoint, listening with `listen`, which returns the socket's path or raises OSError."""
    try:
        return Endpoint(this_node(), await listen())
    except OSError as error:
        log.warning("no socket, serving by calls alone", error=str(error))
        return Endpoint(this_node(), None)


def this_node() -> str:
    """The id of the node this process runs on; empty outside a cluster."""
    if not ray.is_initialized():  # asking for the context would start a whole Ray
        return ""
    node: str = ray.get_runtime_context().get_node_id()
    return node
