"""The nodes of the cluster that this process is connected to, as Ray's head knows them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

import ray
from ray._private.state import state
from ray.core.generated.autoscaler_pb2 import DRAIN_NODE_REASON_PREEMPTION
from ray.core.generated.common_pb2 import NodeDeathInfo
from ray.core.generated.gcs_pb2 import GcsNodeInfo
from ray.exceptions import RayError

from aragora.errors import Unavailable

HEAD: Final = "node:__internal_head__"
"""The resource by which Ray marks its head."""
GCS_S: Final = 5.0
_ON_PURPOSE: Final = frozenset(
    {NodeDeathInfo.EXPECTED_TERMINATION, NodeDeathInfo.AUTOSCALER_DRAIN_PREEMPTED, NodeDeathInfo.AUTOSCALER_DRAIN_IDLE}
)


@dataclass(frozen=True, slots=True)
class Node:
    """`id` is Ray's, in hex; `address` the one under which the other nodes know it, without port. A node that drains
    gets no more work and ends soon; one that is `stopped` has ended because somebody told it to."""

    id: str
    address: str
    head: bool
    alive: bool
    draining: bool
    stopped: bool = False

    @property
    def takes_work(self) -> bool:
        return self.alive and not self.draining


def refuse_work(node_id: str, reason: str, within_s: float) -> None:
    """Mark a node as draining: Ray gives it no more work, Serve moves its replicas. It is for the caller to end it,
    `within_s` seconds from now at the latest. Blocks. Raises Unavailable."""
    until_ms = int((time.time() + within_s) * 1000)
    try:
        taken, why = _gcs().drain_node(node_id, DRAIN_NODE_REASON_PREEMPTION, reason, until_ms)
    except (RayError, RuntimeError) as error:
        raise Unavailable(f"the cluster does not drain {node_id}: {type(error).__name__}") from None
    if not taken:
        raise Unavailable(f"the cluster does not drain {node_id}: {why}")


def nodes() -> tuple[Node, ...]:
    """Every node that Ray remembers, also those that have died, by address, and at one address by their start. Blocks.
    Raises Unavailable."""
    try:
        known = _gcs().get_all_node_info(timeout=GCS_S)  # the first, since this one has a limit of ours
        draining = state.get_draining_nodes()
    except (RayError, RuntimeError) as error:  # its transport's errors are RuntimeErrors
        raise Unavailable(f"the cluster does not tell its nodes: {type(error).__name__}", retry_after_s=1.0) from None
    in_order = sorted(known.items(), key=lambda found: (found[1].node_manager_address, found[1].start_time_ms))
    return tuple(
        Node(
            id=node_id.hex(),
            address=told.node_manager_address,
            head=HEAD in told.resources_total,
            alive=told.state == GcsNodeInfo.ALIVE,
            draining=node_id.hex() in draining,
            stopped=told.death_info.reason in _ON_PURPOSE,
        )
        for node_id, told in in_order
    )


def _gcs() -> Any:
    return ray._private.worker.global_worker.gcs_client  # noqa: SLF001 - draining has no public way
