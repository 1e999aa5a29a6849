"""Take a node out of service without a failed request: `aragora cluster drain NODE`, and SIGTERM to a node.

Its proxy is the first to say that it drains, so that load balancers turn elsewhere; then Ray gives the node no more
work, Serve moves its replicas, and the actors on it begin anew on other nodes: what they had begun is in the journal.
The last node has nowhere to move to: there the whole service drains, as on one machine.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from actors.kinds import (
    ADAPTER,
    AGENT,
    BREAKER,
    COORDINATOR,
    DISPATCHER,
    ENDPOINT,
    MOUND_INDEX,
    RUNNER,
    SCHEDULER,
    SHARED,
)
from actors.ray_node import RunningNode
from aragora.composition.cluster import marks
from aragora.composition.cluster.connection import connected
from aragora.composition.cluster.serving_alone import release, serving_head
from aragora.composition.service import Service
from aragora.config.settings import Settings
from aragora.errors import AragoraError, Conflict, NotFound, Unavailable
from aragora.texts import counted

if TYPE_CHECKING:
    from actors.cluster_nodes import Node
    from actors.whereabouts import Part

SOCKETS_S: Final = 3.0
LOOK_S: Final = 0.2
ENDED_S: Final = 30.0
MOVED_IN_ORDER: Final = tuple(
    kind.name
    for kind in (COORDINATOR, RUNNER, SCHEDULER, DISPATCHER, ENDPOINT, ADAPTER, MOUND_INDEX, SHARED, BREAKER, AGENT)
)
"""Coordinators go first: their agents on this node still answer meanwhile."""

Say = Callable[[str], None]


def drain(settings: Settings, wanted: str, say: Say) -> None:
    """Drain the node whose address, or the beginning of whose id, is `wanted`. Blocks.

    Raises NotFound, Conflict where it is the head and the head's state is not kept elsewhere, Unavailable where the
    node still has work after its time.
    """
    with connected(settings) as here:
        node = _found(wanted)
        if not _others(node):
            raise Conflict(
                f"{node.address} is the only node that takes work: `aragora cluster stop` drains the service"
            )
        if node.head and not here.kept_in_redis:
            raise Conflict(
                f"{node.address} is the head, and every node ends with it: `aragora cluster stop` drains the service; with "
                "RAY_REDIS_ADDRESS the head's state outlives it (docs/cluster.md)"
            )
        _drain(settings, node, say)


def leave(settings: Settings, here: RunningNode, say: Say) -> None:
    """Drain the node on which this runs; the whole service where it is the last, or the head whose state nobody else
    keeps. Blocks. Raises Unavailable."""
    with connected(settings):
        node = _found(here.address)
        if node.draining:
            say(f"{node.address} drains already")
        elif not asyncio.run(Service(settings).runs()):
            say("the service has ended: nothing is left to drain")
        elif _others(node) and (not node.head or here.kept_in_redis):
            _drain(settings, node, say)
        else:
            say("no node goes on without this one: the whole service drains")
            drain_service(settings, here.gcs_address, say)


def drain_service(settings: Settings, own: str, say: Say) -> None:
    """Let the running debates end, close the WebSockets, and end the service's actors; this process is connected to the
    cluster whose GCS is at `own`. Raises Unavailable.

    Where another cluster serves the database, or none, nobody is asked, and what is left is ended.
    """
    _let_debates_end(settings, own, say)
    end_service(settings, own)


def drain_to_standby(settings: Settings, own: str, say: Say) -> None:
    """As `drain_service`, but the ingress stays and answers what it reads from the database."""
    try:
        _let_debates_end(settings, own, say)
    except AragoraError as error:  # what is left is in the journal, and another cluster waits
        say(f"warning: not drained: {error.message}")
    Service(settings).end_work()
    release(settings, own)


def end_service(settings: Settings, own: str) -> None:
    """End the service's actors, and note that this cluster serves no more; this process is connected to it. Raises
    Unavailable."""
    Service(settings).end()
    release(settings, own)
    marks.forget()


def _let_debates_end(settings: Settings, own: str, say: Say) -> None:
    marks.leave_service()  # first: where this is cut short, `deploy` begins the service again
    if _serves(settings, own):
        left = asyncio.run(Service(settings).drain(settings.drain_timeout_s, SOCKETS_S))
        say("drained" if not left else f"drained; left for the next start: {counted(left, 'debate')}")
    else:
        say("the service does not run here: nothing to drain")


def _serves(settings: Settings, own: str) -> bool:
    from actors.whereabouts import parts  # noqa: PLC0415 - imports Ray

    return asyncio.run(serving_head(settings)) in (None, own) and any(part.kind == COORDINATOR.name for part in parts())


def _drain(settings: Settings, node: Node, say: Say) -> None:
    from actors.cluster_nodes import refuse_work  # noqa: PLC0415 - imports Ray

    limit_s = settings.drain_timeout_s + ENDED_S
    asyncio.run(Service(settings).node_drains(node.id))
    refuse_work(node.id, "drained by its operator", limit_s)
    deadline = time.monotonic() + limit_s
    here = {part.name for part in _on(node)}
    asyncio.run(Service(settings).let_webhooks_end(here.__contains__))
    for kind in MOVED_IN_ORDER:
        _begin_elsewhere([part for part in _on(node) if part.kind == kind])
    asyncio.run(Service(settings).node_drains(node.id))  # again: the shared state may have moved
    while left := _on(node):
        if time.monotonic() >= deadline:
            raise Unavailable(f"{node.address} still has {', '.join(part.name for part in left)} after {limit_s:g} s")
        time.sleep(LOOK_S)
    say(f"{node.address} is drained: it may be stopped (there: aragora node stop, or systemctl stop)")


def _begin_elsewhere(moving: Sequence[Part]) -> None:
    """End these processes; Ray starts each again on a node that takes work."""
    import ray  # noqa: PLC0415

    from actors.cluster import NAMESPACE  # noqa: PLC0415

    for part in moving:
        try:
            handle = ray.get_actor(part.name, NAMESPACE)
        except ValueError:  # it has retired by itself
            continue
        ray.kill(handle, no_restart=False)


def _on(node: Node) -> list[Part]:
    """What is still on the node and should not be; its proxy stays to the end."""
    from actors.whereabouts import PROXY, parts  # noqa: PLC0415

    return [part for part in parts() if part.node_id == node.id and part.kind != PROXY]


def _found(wanted: str) -> Node:
    from actors.cluster_nodes import nodes  # noqa: PLC0415

    alive = [node for node in nodes() if node.alive]
    found = [node for node in alive if node.address == wanted or (len(wanted) >= 6 and node.id.startswith(wanted))]
    if len(found) != 1:
        raise NotFound(f"{wanted} names no node that lives; they are {', '.join(node.address for node in alive)}")
    return found[0]


def _others(node: Node) -> list[Node]:
    from actors.cluster_nodes import nodes  # noqa: PLC0415

    return [other for other in nodes() if other.takes_work and other.id != node.id]
