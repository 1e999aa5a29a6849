"""The number of ingress replicas follows the nodes that take work."""

from __future__ import annotations

import pytest

from actors import replicas_per_node
from actors.cluster_nodes import Node
from actors.replicas_per_node import LOOK_EVERY_S, ReplicasPerNode
from aragora.errors import Unavailable


def node(number: int, *, alive: bool = True, draining: bool = False) -> Node:
    return Node(f"{number:056x}", f"10.0.0.{number}", head=number == 1, alive=alive, draining=draining)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> list[Node]:
    """The nodes that Ray's head tells; a test changes the list."""
    told: list[Node] = []
    monkeypatch.setattr(replicas_per_node, "nodes", lambda: tuple(told))
    return told


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(replicas_per_node.time, "monotonic", lambda: now[0])
    return now


def test_every_node_that_takes_work_has_its_share_and_the_others_none(known: list[Node], clock: list[float]) -> None:
    known += [node(1), node(2), node(3, draining=True), node(4, alive=False)]
    assert ReplicasPerNode(on_a_node=2)(None) == (4, {})


def test_it_follows_nodes_that_come_and_go_and_asks_no_more_than_it_must(known: list[Node], clock: list[float]) -> None:
    policy = ReplicasPerNode(on_a_node=1)
    known.append(node(1))
    assert policy(None)[0] == 1
    known.append(node(2))
    assert policy(None)[0] == 1, "it looked again at once"
    clock[0] += LOOK_EVERY_S
    assert policy(None)[0] == 2
    known.pop()
    clock[0] += LOOK_EVERY_S
    assert policy(None)[0] == 1


def test_where_all_nodes_drain_the_last_replica_stays(known: list[Node], clock: list[float]) -> None:
    known.append(node(1, draining=True))
    assert ReplicasPerNode(on_a_node=3)(None)[0] == 3


def test_while_the_head_does_not_answer_the_number_stays(
    known: list[Node], clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = ReplicasPerNode(on_a_node=1)
    known += [node(1), node(2)]
    assert policy(None)[0] == 2

    def away() -> tuple[Node, ...]:
        raise Unavailable("the cluster does not tell its nodes")

    monkeypatch.setattr(replicas_per_node, "nodes", away)
    clock[0] += LOOK_EVERY_S
    assert policy(None)[0] == 2
