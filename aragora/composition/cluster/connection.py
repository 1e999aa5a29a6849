"""A connection to the cluster from one of its nodes, for a command that acts on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from actors import ray_node
from actors.cluster import connect, disconnect
from actors.ray_node import DIRECTORY, RunningNode
from aragora.config.settings import Settings
from aragora.errors import Unavailable


@contextmanager
def connected(settings: Settings) -> Iterator[RunningNode]:
    """For the block this process is connected to the cluster whose node runs here, with the node's settings.

    Raises Unavailable where none runs, or its cluster does not answer.
    """
    node = ray_node.running(settings.data_dir)
    if node is None:
        raise Unavailable(
            f"no node of a cluster runs here on {settings.data_dir}: call this on a node, or start one (aragora node start)"
        )
    ray_node.take_settings_of(node)
    try:
        connect(node.gcs_address, DIRECTORY)
    except (ConnectionError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise Unavailable(f"the cluster at {node.gcs_address} does not answer: {reason}") from None
    try:
        yield node
    finally:
        disconnect()
