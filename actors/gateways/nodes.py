"""The nodes of the cluster, kept by one replica: whose proxy is believed, which node a request came through, which may
get new traffic. The rules are `aragora.server.nodes`.

Ray's head is asked every `LOOK_S` seconds, in a thread, since it may be away and the question then blocks; what was
known last holds meanwhile. A request that comes from an unknown proxy asks at once, and waits `PATIENCE_S` at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

import ray

from actors.cluster_nodes import Node, nodes
from aragora.background import Every
from aragora.clock import Clock
from aragora.errors import Unavailable
from aragora.identity.client_address import Network, Trust
from aragora.resilience.backoff import Backoff
from aragora.server.nodes import Nodes, NodeView, Sighting, Told
from aragora.supervision import begin

LOOK_S: Final = 2.0
AGAIN_S: Final = 1.0
"""How soon after a look an unknown proxy leads to another."""
PATIENCE_S: Final = 0.01
AFTER_ERROR: Final = Backoff(base_s=1.0, cap_s=5.0)

Look = Callable[[], Iterable[Node]]
"""Blocks; raises Unavailable where the head is away."""


def nodes_of_ray() -> tuple[Node, ...]:
    """Every node that Ray remembers; none outside a cluster, where the question would start one. Blocks."""
    return nodes() if ray.is_initialized() else ()


def own_node_id() -> str:
    """Ray's id of the node on which this process runs; empty outside a cluster."""
    return str(ray.get_runtime_context().get_node_id()) if ray.is_initialized() else ""


class ClusterNodes:
    """Fulfils `TrustedHops` and `NodeBoard`. `proxies` are trusted beside the nodes, `told` is what the shared state
    says of nodes. Looks once `task` is started."""

    def __init__(
        self,
        own_id: str,
        proxies: tuple[Network, ...],
        told: Callable[[], Told],
        clock: Clock,
        look: Look = nodes_of_ray,
    ) -> None:
        self._own_id = own_id
        self._told = told
        self._clock = clock
        self._ask = look
        self._nodes = Nodes()
        self._trust = Trust(proxies)
        self._looking: asyncio.Task[Unavailable | None] | None = None
        self._looked_at: float | None = None
        self.task = Every("nodes of the cluster", LOOK_S, self.look, after_error=AFTER_ERROR)

    @property
    def trust(self) -> Trust:
        return self._trust

    async def look_again(self) -> None:
        if self._looking is None:
            if self._looked_at is not None and self._clock.monotonic() - self._looked_at < AGAIN_S:
                return
            self._looking = begin(self._look(), "nodes of the cluster")
        await asyncio.wait({self._looking}, timeout=PATIENCE_S)

    async def look(self) -> None:
        """Ask the head now; whoever asks meanwhile shares the look. Raises Unavailable where the head is away."""
        if self._looking is None:
            self._looking = begin(self._look(), "nodes of the cluster")
        away = await asyncio.shield(self._looking)
        if away is not None:
            raise away

    def behind(self, peer: str | None) -> NodeView:
        return self._nodes.view(self._nodes.at(peer) or self._own_id, self._told())

    def nodes(self) -> tuple[NodeView, ...]:
        return self._nodes.views(self._told())

    async def _look(self) -> Unavailable | None:
        try:
            found = await asyncio.to_thread(self._ask)
        except Unavailable as away:
            return away
        else:
            living = [Sighting(node.id, node.address, node.draining) for node in found if node.alive]
            self._nodes = self._nodes.after(living, self._clock.monotonic())
            if self._nodes.hops is not self._trust.last_hops:
                self._trust = Trust(self._trust.networks, self._nodes.hops)
            return None
        finally:
            self._looked_at = self._clock.monotonic()
            self._looking = None
