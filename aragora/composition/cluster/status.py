"""`aragora cluster status`: every node of the cluster, whether it takes requests, and what runs on it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from actors.kinds import AGENT, COORDINATOR
from actors.launcher_config import Machines
from aragora.composition.cluster.connection import connected
from aragora.composition.cluster.deploying import serving_ports, takes_requests
from aragora.composition.cluster.missing import Missing, missing
from aragora.config.settings import Settings

if TYPE_CHECKING:
    from actors.cluster_nodes import Node

MISSING: Final = "missing"


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One node. `state`: `ready` (takes requests), `starting`, `draining`, `stopped` (somebody ended it), `lost` (it
    died), `missing` (a machine of `ray up` that has not joined; without `id`). `reasons` say why it is missing, where
    that is known."""

    address: str
    role: str
    state: str
    replicas: int
    coordinators: int
    agents: int
    id: str
    reasons: tuple[str, ...] = ()


def status(settings: Settings, launched: Machines | None = None) -> tuple[NodeStatus, ...]:
    """Every node that lives, those that ended and have not come back, and on the head the machines of `ray up` that
    have not joined. Blocks. Raises Unavailable."""
    with connected(settings):
        from actors.cluster_nodes import nodes  # noqa: PLC0415 - imports Ray, whose environment is set now
        from actors.whereabouts import REPLICA, parts  # noqa: PLC0415

        http_port, _ = serving_ports()
        placed = Counter((part.node_id, part.kind) for part in parts())
        known = nodes()
        living = {node.address for node in known if node.alive}
        ended = {node.address: node for node in known if not node.alive and node.address not in living}
        shown = [node for node in known if node.alive] + list(ended.values())
        away = {one.address: one for one in missing(launched, living)}
        found = [
            NodeStatus(
                address=node.address,
                role="head" if node.head else "worker",
                state=_state(node, http_port),
                replicas=placed[node.id, REPLICA],
                coordinators=placed[node.id, COORDINATOR.name],
                agents=placed[node.id, AGENT.name],
                id=node.id,
                reasons=away[node.address].reasons if node.address in away else (),
            )
            for node in shown
        ]
        found += [not_joined(one) for address, one in away.items() if address not in ended]
        return tuple(found)


def not_joined(machine: Missing) -> NodeStatus:
    """The row of a machine that is not in the cluster."""
    return NodeStatus(machine.address, "worker", MISSING, 0, 0, 0, "", machine.reasons)


def _state(node: Node, http_port: int) -> str:
    if not node.alive:
        return "stopped" if node.stopped else "lost"
    if node.draining:
        return "draining"
    return "ready" if takes_requests(node.address, http_port) else "starting"
