"""On which node the process of an actor begins.

- A coordinator begins on the node that takes work and has the fewest of them.
- The shards of an agent begin beside the coordinator that asks them first, which speaks to them through a socket.
  Whoever asks after their end starts them again, beside itself; so Ray does not. Agents that are not parted are spread:
  one node need not do the work of all.
- The processes of webhook endpoints and of the mound's adapters are spread.

Where the wanted node takes no work any more, Ray chooses another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors.cluster_nodes import nodes
from actors.kinds import COORDINATOR
from actors.whereabouts import parts
from aragora.config.settings import Settings
from aragora.errors import Unavailable

if TYPE_CHECKING:
    from actors.cluster_nodes import Node
    from actors.whereabouts import Part

A_BYTE: Final[Mapping[str, Any]] = {"memory": 1}
"""Ray puts an actor that needs no resource on any node at random, whatever its strategy says."""
SPREAD: Final[Mapping[str, Any]] = {"scheduling_strategy": "SPREAD", **A_BYTE}


def of_coordinator(_: Settings) -> Mapping[str, Any]:
    """Options of Ray for a coordinator that begins now. Blocks."""
    try:
        node = with_fewest_coordinators(nodes(), parts())
    except Unavailable:  # the next one, or `aragora cluster rebalance`, evens it out
        return SPREAD
    return SPREAD if node is None else _on(node)


def of_agent(settings: Settings) -> Mapping[str, Any]:
    """Options of Ray for an agent, or a shard of one, that this process begins."""
    if settings.agent_shards == 1:
        return SPREAD
    return {**_on(ray.get_runtime_context().get_node_id()), "max_restarts": 0}


def spread(_: Settings) -> Mapping[str, Any]:
    """Options of Ray for a process that begins now, of a kind that has many, each with work of its own."""
    return SPREAD


def with_fewest_coordinators(known: Iterable[Node], placed: Iterable[Part]) -> str | None:
    """The id of a node that takes work; None where none does."""
    count = Counter(part.node_id for part in placed if part.kind == COORDINATOR.name)
    taking = [node.id for node in known if node.takes_work]
    return min(taking, key=lambda node: (count[node], node), default=None)


def surplus(taking: Iterable[str], placed: Iterable[Part]) -> tuple[str, ...]:
    """The names of the coordinators that must move so that no node of `taking` has two more than another one."""
    names: dict[str, list[str]] = {node: [] for node in taking}
    for part in placed:
        if part.kind == COORDINATOR.name and part.node_id in names:
            names[part.node_id].append(part.name)
    share, more = divmod(sum(map(len, names.values())), max(1, len(names)))
    crowded = sorted(names.values(), key=len, reverse=True)
    return tuple(name for place, here in enumerate(crowded) for name in sorted(here)[share + (place < more) :])


def _on(node_id: str) -> Mapping[str, Any]:
    there = NodeAffinitySchedulingStrategy(node_id, soft=True, _spill_on_unavailable=True)
    return {"scheduling_strategy": there, **A_BYTE}
