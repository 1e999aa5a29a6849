"""How many ingress replicas a cluster wants: so many on each node, following the nodes that come and go.

A policy of Serve's autoscaler, which runs in its controller. Serve itself says that a node takes no more than its share
(`max_replicas_per_node`); a node that drains or has died wants none.
"""

from __future__ import annotations

import time
from typing import Any, Final

import structlog

from actors.cluster_nodes import nodes
from aragora.errors import Unavailable

LOOK_EVERY_S: Final = 1.0
"""The controller asks ten times a second, and each look is a question to the GCS."""

log = structlog.get_logger("aragora.server")


class ReplicasPerNode:
    """Serve calls it with the state of the deployment; it answers with how many replicas there are to be."""

    def __init__(self, on_a_node: int) -> None:
        self._on_a_node = on_a_node
        self._nodes = 1
        self._look_at = 0.0

    def __call__(self, _: Any) -> tuple[int, dict[str, Any]]:
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_EVERY_S
            self._look()
        return self._nodes * self._on_a_node, {}

    def _look(self) -> None:
        try:
            self._nodes = max(1, sum(node.takes_work for node in nodes()))
        except Unavailable as error:  # the nodes that were known last are the best guess
            log.warning("the nodes are not known", error=error.message)
