"""What a replica keeps of the cluster's nodes: looks, unknown proxies, a head that is away."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from worlds.backends import SetClock

from actors.cluster_nodes import Node
from actors.gateways.nodes import AGAIN_S, PATIENCE_S, ClusterNodes, nodes_of_ray, own_node_id
from aragora.errors import Unavailable
from aragora.identity.client_address import origin_of, trusted_networks
from aragora.server.nodes import NodeState, Told

OWN, OTHER = "1" * 56, "2" * 56
LOOPBACK = trusted_networks(("127.0.0.1/32", "::1/128"))


class Head:
    """Stands for Ray's head; `hold` keeps its answers back."""

    def __init__(self) -> None:
        self.living = {OWN: "192.0.2.10"}
        self.draining: set[str] = set()
        self.looks = 0
        self.away = False
        self.hold = threading.Event()
        self.hold.set()

    def nodes(self) -> tuple[Node, ...]:
        self.looks += 1
        self.hold.wait(30)
        if self.away:
            raise Unavailable("the cluster does not tell its nodes")
        dead = Node("3" * 56, "192.0.2.13", head=False, alive=False, draining=False)
        return (
            dead,
            *(Node(one, at, one == OWN, alive=True, draining=one in self.draining) for one, at in self.living.items()),
        )


def kept(head: Head, clock: SetClock, told: Told | None = None) -> ClusterNodes:
    return ClusterNodes(OWN, LOOPBACK, lambda: told or Told(), clock, head.nodes)


def seen(nodes: ClusterNodes, peer: str) -> str:
    return origin_of(peer, ("6.6.6.6, 203.0.113.9",), nodes.trust).address


async def test_the_proxies_of_living_nodes_are_believed_and_loopback_besides() -> None:
    head = Head()
    head.living[OTHER] = "192.0.2.11"
    nodes = kept(head, SetClock())
    assert seen(nodes, "192.0.2.11") == "192.0.2.11", "nobody is known before the first look"
    await nodes.look()
    for peer in ("192.0.2.10", "192.0.2.11", "127.0.0.1"):
        assert seen(nodes, peer) == "203.0.113.9"
    assert seen(nodes, "192.0.2.13") == "192.0.2.13", "a node that was dead before this replica began"


async def test_an_unknown_proxy_is_looked_for_at_once_and_then_at_most_once_a_second() -> None:
    head, clock = Head(), SetClock()
    nodes = kept(head, clock)
    await nodes.look()
    head.living[OTHER] = "192.0.2.11"
    clock.at += AGAIN_S
    await nodes.look_again()
    async with asyncio.timeout(30):
        while seen(nodes, "192.0.2.11") != "203.0.113.9":  # on a busy machine the look takes longer than the patience
            await asyncio.sleep(0.01)
    for _ in range(100):
        await nodes.look_again()
    assert head.looks == 2


async def test_a_head_that_is_slow_delays_no_request_by_more_than_some_milliseconds() -> None:
    head, clock = Head(), SetClock()
    nodes = kept(head, clock)
    head.hold.clear()
    began = time.perf_counter()
    await asyncio.gather(*(nodes.look_again() for _ in range(50)))
    waited = time.perf_counter() - began
    head.hold.set()
    await nodes.look()
    assert head.looks == 1, "all share one look"
    assert waited < 100 * PATIENCE_S, "together, not one after the other; a busy machine may take its time"


async def test_while_the_head_is_away_what_was_known_holds_and_the_loss_is_told() -> None:
    head, clock = Head(), SetClock()
    head.living[OTHER] = "192.0.2.11"
    nodes = kept(head, clock)
    await nodes.look()
    head.away = True
    clock.at += 600.0
    with pytest.raises(Unavailable):
        await nodes.look()
    await nodes.look_again()
    assert seen(nodes, "192.0.2.11") == "203.0.113.9"
    assert [view.state for view in nodes.nodes()] == [NodeState.READY, NodeState.READY]


async def test_trust_is_the_same_object_until_a_node_comes_or_goes() -> None:
    head, clock = Head(), SetClock()
    nodes = kept(head, clock)
    await nodes.look()
    trust = nodes.trust
    await nodes.look()
    assert nodes.trust is trust, "the cache of addresses would begin anew"
    head.living[OTHER] = "192.0.2.11"
    await nodes.look()
    assert nodes.trust is not trust


async def test_a_request_is_judged_by_the_node_whose_proxy_sent_it() -> None:
    head = Head()
    head.living[OTHER] = "192.0.2.11"
    nodes = kept(head, SetClock(), Told(draining=(OTHER,)))
    await nodes.look()
    assert nodes.behind("192.0.2.11").state is NodeState.DRAINING
    assert nodes.behind("192.0.2.10").state is NodeState.READY
    for direct in ("127.0.0.1", "203.0.113.9", None):
        assert nodes.behind(direct).node_id == OWN


async def test_a_replica_of_the_node_that_drains_says_so_to_whom_it_answers_directly() -> None:
    head = Head()
    head.draining.add(OWN)
    nodes = kept(head, SetClock())
    await nodes.look()
    assert nodes.behind("127.0.0.1").state is NodeState.DRAINING


def test_outside_a_cluster_nobody_is_asked() -> None:
    assert nodes_of_ray() == ()
    assert own_node_id() == ""
