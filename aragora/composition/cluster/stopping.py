"""How a service ends: `aragora cluster undeploy` drains it and leaves the nodes, `aragora cluster stop` ends the Ray of
every node after that, this one last."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from actors.gcs_address import host_of
from actors.gcs_storage import forget
from actors.ray_environment import RUN_DIRECTORY
from actors.ray_node import NODE_OF
from aragora.composition.cluster.connection import connected
from aragora.composition.cluster.draining import drain_service, drain_to_standby, end_service
from aragora.composition.cluster.node import stop as stop_node
from aragora.config.settings import Settings
from aragora.errors import AragoraError, Conflict, Unavailable

LEAVE_S: Final = 60.0
SENT_S: Final = 20.0
LOOK_S: Final = 0.2

Say = Callable[[str], None]


def stop(settings: Settings, say: Say) -> None:
    """Drain and end everything. Blocks. Raises Conflict where this is not the head, Unavailable where nodes still live
    after `LEAVE_S` seconds; each is named."""
    with connected(settings) as here:
        if not here.head:
            raise Conflict(f"this is a worker: call it on the head, {host_of(here.gcs_address)}")
        try:
            drain_service(settings, here.gcs_address, say)
        except AragoraError as error:  # what is left is in the journal, and the cluster is to end
            say(f"warning: not drained: {error.message}")
        left = _end_workers(settings)
        in_redis = here.kept_in_redis
    stop_node(settings, say)  # by its supervisor, if it has one: it would take the end of its Ray for a failure
    if in_redis:
        forget()  # the next start is a new cluster
    if left:
        raise Unavailable(
            f"still running: {', '.join(left)}; they end by themselves within a minute, or there by: aragora node stop"
        )


def undeploy(settings: Settings, say: Say) -> None:
    """Drain the service and end it; the nodes stay, and `aragora cluster deploy` brings it back. Blocks. Raises
    Unavailable where it has not ended."""
    with connected(settings) as here:
        try:
            drain_service(settings, here.gcs_address, say)
        except AragoraError as error:  # what is left is in the journal, and another cluster waits
            say(f"warning: not drained: {error.message}")
            end_service(settings, here.gcs_address)
    say("the service has ended; the nodes stay")


def to_standby(settings: Settings, say: Say) -> None:
    """Drain the service and end what takes debates and jobs; the ingress stays, and answers what it reads from the
    database. Blocks. Raises Unavailable."""
    with connected(settings) as here:
        drain_to_standby(settings, here.gcs_address, say)
    say("the service stands by: it answers reads, and takes nothing new")


def _end_workers(settings: Settings) -> list[str]:
    """The addresses of those that still live after `LEAVE_S` seconds."""
    import ray  # noqa: PLC0415 - reads its environment at import
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: PLC0415

    from actors.cluster_nodes import nodes  # noqa: PLC0415

    def workers() -> list[str]:
        return [node.address for node in nodes() if node.alive and not node.head]

    asked = [
        ray.remote(end_here)
        .options(num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False))
        .remote(settings.data_dir)
        for node in nodes()
        if node.alive and not node.head
    ]
    ray.wait(asked, num_returns=len(asked), timeout=SENT_S) if asked else None
    deadline = time.monotonic() + LEAVE_S
    while (left := workers()) and time.monotonic() < deadline:
        time.sleep(LOOK_S)
    return left


def end_here(data_dir: Path) -> None:
    """Runs on the node that is to end: its end must not depend on what ends."""
    of_the_node = (NODE_OF, RUN_DIRECTORY)  # by which it would be taken for a part of what it ends
    environment = {name: value for name, value in os.environ.items() if name not in of_the_node}
    subprocess.Popen(  # noqa: S603 - this program
        [sys.executable, "-m", "aragora.cli.main", "node", "stop", "--data-dir", str(data_dir)],
        env=environment, start_new_session=True, close_fds=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
