"""On which node coordinators begin, and which of them must move for an even load. Ray is not started."""

from __future__ import annotations

import pytest

from actors import placement
from actors.cluster_nodes import Node
from actors.placement import SPREAD, of_agent, of_coordinator, surplus, with_fewest_coordinators
from actors.whereabouts import Part
from aragora.config.settings import Settings
from aragora.errors import Unavailable


def node(name: str, *, alive: bool = True, draining: bool = False) -> Node:
    return Node(id=name, address=name, head=False, alive=alive, draining=draining)


def placed(**by_node: int) -> list[Part]:
    """So many coordinators on each node."""
    return [
        Part("coordinator", f"coordinator/{name}{number}", name, alive=True)
        for name, count in by_node.items()
        for number in range(count)
    ]


def test_a_coordinator_begins_where_the_fewest_are() -> None:
    others = [Part("agent", f"agent/{number}", "b", alive=True) for number in range(5)]
    assert with_fewest_coordinators([node("a"), node("b"), node("c")], [*placed(a=2, b=1, c=2), *others]) == "b"


def test_a_node_that_drains_or_has_died_gets_none() -> None:
    known = [node("a"), node("b", draining=True), node("c", alive=False)]
    assert with_fewest_coordinators(known, placed(a=3)) == "a"
    assert with_fewest_coordinators(known[1:], ()) is None


@pytest.mark.parametrize(
    ("by_node", "moving"),
    [
        ({"a": 3, "b": 0, "c": 0}, 2),
        ({"a": 1, "b": 1, "c": 1}, 0),
        ({"a": 2, "b": 1, "c": 1}, 0),
        ({"a": 2, "b": 2, "c": 0}, 1),
        ({"a": 1, "b": 0, "c": 0}, 0),
        ({"a": 5, "b": 2, "c": 2}, 2),
        ({"a": 4, "b": 0, "c": 1}, 2),
    ],
)
def test_as_few_move_as_make_it_even(by_node: dict[str, int], moving: int) -> None:
    parts = placed(**by_node)
    names = surplus(by_node, parts)
    assert len(names) == moving
    staying = [part for part in parts if part.name not in names]
    for _ in names:
        where = with_fewest_coordinators(map(node, by_node), staying)
        assert where is not None
        staying += placed(**{where: 1})
    counts = [sum(part.node_id == name for part in staying) for name in by_node]
    assert max(counts) - min(counts) <= 1


def test_what_is_on_a_node_that_takes_no_work_is_left_to_its_drain() -> None:
    assert surplus(["a", "b"], placed(a=1, b=1, gone=4)) == ()


def test_without_an_answer_of_the_cluster_ray_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> tuple[Node, ...]:
        raise Unavailable("the cluster does not tell its nodes")

    monkeypatch.setattr(placement, "nodes", away)
    assert of_coordinator(Settings())["scheduling_strategy"] == "SPREAD"


def test_agents_that_are_not_parted_are_spread() -> None:
    assert of_agent(Settings())["scheduling_strategy"] == "SPREAD"


def test_whatever_has_a_place_needs_a_resource_without_which_ray_ignores_the_place() -> None:
    assert of_agent(Settings())["memory"] == SPREAD["memory"] == 1
