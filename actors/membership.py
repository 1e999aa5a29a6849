"""Whether the head still counts a node as one of its cluster.

A node that nobody could reach for a while is given up: its work begins elsewhere. Its Ray may run on and not notice,
and a node that only looks at its own processes would stay outside for ever.
"""

from __future__ import annotations

from typing import Any, Final

import grpc
from ray._raylet import GcsClient  # type: ignore[attr-defined]
from ray.core.generated.gcs_pb2 import GcsNodeInfo
from ray.exceptions import RayError

from actors.gcs_address import reach

GCS_S: Final = 5.0
REACH_S: Final = 2.0


def given_up(gcs_address: str, address: str) -> bool:
    """Whether the cluster has known a node at this address and counts none there now. False where the head does not
    answer: then nobody has given it up. Ray's token is in the environment. Blocks for up to `GCS_S` seconds."""
    try:
        reach(gcs_address, REACH_S)
        known = GcsClient(address=gcs_address).get_all_node_info(timeout=GCS_S)
    except (RayError, RuntimeError, OSError, grpc.RpcError):  # as its transport fails
        return False
    return _given_up(address, known.values())


def _given_up(address: str, known: Any) -> bool:
    states = [node.state == GcsNodeInfo.ALIVE for node in known if node.node_manager_address == address]
    return bool(states) and not any(states)
