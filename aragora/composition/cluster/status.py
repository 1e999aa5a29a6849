"""`aragora cluster status`: every node of the cluster, whether it takes requests, and what runs on it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from actors.kinds import AGENT, COORDINATOR
from aragora.composition.cluster.connection import connected
from aragora.composition.cluster.deploying import serving_ports, takes_requests
from aragora.config.settings import Settings

if TYPE_CHECKING:
    from actors.cluster_nodes import Node


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One node. `state`: `ready` (takes requests), `starting`, `draining`, `lost`."""

    address: str
    role: str
    state: str
    replicas: int
    coordinators: int
    agents: int
    id: str


def status(settings: Settings) -> tuple[NodeStatus, ...]:
    """Every node that lives, and those that died and have not come back. Blocks. Raises Unavailable."""
    with connected(settings):
        from actors.cluster_nodes import nodes  # noqa: PLC0415 - imports Ray, whose environment is set now
        from actors.whereabouts import REPLICA, parts  # noqa: PLC0415

        http_port, _ = serving_ports()
        placed = Counter((part.node_id, part.kind) for part in parts())
        known = nodes()
        living = {node.address for node in known if node.alive}
        lost = {node.address: node for node in known if not node.alive and node.address not in living}
        shown = [node for node in known if node.alive] + list(lost.values())
        return tuple(
            NodeStatus(
                address=node.address,
                role="head" if node.head else "worker",
                state=_state(node, http_port),
                replicas=placed[node.id, REPLICA],
                coordinators=placed[node.id, COORDINATOR.name],
                agents=placed[node.id, AGENT.name],
                id=node.id,
            )
            for node in shown
        )


def _state(node: Node, http_port: int) -> str:
    if not node.alive:
        return "lost"
    if node.draining:
        return "draining"
    return "ready" if takes_requests(node.address, http_port) else "starting"
