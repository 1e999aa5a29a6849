"""The nodes of the cluster as one replica knows them: whose proxy is believed, and which may get new traffic. Pure.

What the cluster's head tells goes in, look by look (`Nodes.after`). While the head is away nothing goes in, and what
was known last holds.

- A node's proxy is believed as long as the head names the node, and `HOP_KEPT_S` longer: the proxy of a node that the
  head has given up may still be sending.
- A node is `ready`; `draining` from the moment the head, or the shared state, says so; and `gone` where the head does
  not name it any more though it was not draining. What left in order, and what another node has replaced at the same
  address, is not missed. `GONE_KEPT_S` later nobody is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from aragora.identity.client_address import Address, parsed

HOP_KEPT_S: Final = 60.0
GONE_KEPT_S: Final = 3600.0


class NodeState(StrEnum):
    """Whether a node's proxy may get new traffic: only where it is ready."""

    READY = "ready"
    DRAINING = "draining"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Sighting:
    """A node that lives, as the head tells it."""

    node_id: str
    address: str
    draining: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """What the shared state says of nodes, by their ids: `draining` and `forgotten` were said by an operator's command,
    on `serving` a replica reports."""

    draining: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()
    serving: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node as operators see it; `replica` is whether an ingress replica runs on it."""

    node_id: str
    address: str
    state: NodeState
    replica: bool


@dataclass(frozen=True, slots=True)
class _Known:
    last: Sighting
    address: Address | None
    seen_at: float
    alive: bool


@dataclass(frozen=True, slots=True)
class Nodes:
    """Every node that a replica has seen in the last hour. `hops` is the same object until it changes."""

    hops: frozenset[Address] = frozenset()
    _known: Mapping[str, _Known] = field(default_factory=dict)
    _at: Mapping[Address, str] = field(default_factory=dict)  # the node of each address that was seen last

    def after(self, living: Iterable[Sighting], now: float) -> Nodes:
        """What is known after a look. `now` comes from a clock that never jumps."""
        known = {
            node_id: replace(one, alive=False)
            for node_id, one in self._known.items()
            if now - one.seen_at <= GONE_KEPT_S
        }
        known.update({one.node_id: self._seen(one, now) for one in living})
        oldest_first = sorted(known.values(), key=lambda one: (one.alive, one.seen_at))
        at = {one.address: one.last.node_id for one in oldest_first if one.address is not None}
        hops = frozenset(
            one.address for one in known.values() if one.address is not None and now - one.seen_at <= HOP_KEPT_S
        )
        return Nodes(self.hops if hops == self.hops else hops, known, at)

    def at(self, address: str | None) -> str | None:
        """The id of the node at an address, the one that was seen last; None where there is none."""
        wanted = parsed(address or "")
        return None if wanted is None else self._at.get(wanted)

    def view(self, node_id: str, told: Told) -> NodeView:
        """One node. Of one that is not known, nothing speaks against it."""
        known = self._known.get(node_id)
        address = known.last.address if known else ""
        if known is not None and not known.alive:
            return NodeView(node_id, address, NodeState.GONE, replica=False)
        draining = node_id in told.draining or (known is not None and known.last.draining)
        state = NodeState.DRAINING if draining else NodeState.READY
        return NodeView(node_id, address, state, node_id in told.serving)

    def views(self, told: Told) -> tuple[NodeView, ...]:
        """The nodes that live and those that are missed, by address."""
        living = {one.address for one in self._known.values() if one.alive}
        shown = (
            self.view(node_id, told)
            for node_id, one in self._known.items()
            if one.alive or not (_left(one, told) or one.address in living)
        )
        return tuple(sorted(shown, key=lambda view: (view.address, view.node_id)))

    def _seen(self, sighting: Sighting, now: float) -> _Known:
        before = self._known.get(sighting.node_id)
        same = before is not None and before.last.address == sighting.address
        return _Known(sighting, before.address if before and same else parsed(sighting.address), now, alive=True)


def _left(one: _Known, told: Told) -> bool:
    """Whether a node that is gone left in order."""
    return one.last.draining or one.last.node_id in (*told.draining, *told.forgotten)
