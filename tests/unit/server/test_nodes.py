"""The nodes of a cluster, as one replica knows them from what it saw and was told."""

from __future__ import annotations

import pytest

from aragora.identity.client_address import parsed
from aragora.server.nodes import GONE_KEPT_S, HOP_KEPT_S, Nodes, NodeState, NodeView, Sighting, Told

ONE, TWO = Sighting("1" * 56, "192.0.2.10"), Sighting("2" * 56, "192.0.2.11")
NOBODY_SAID = Told()


def states(nodes: Nodes, told: Told = NOBODY_SAID) -> dict[str, str]:
    return {view.address: view.state.value for view in nodes.views(told)}


def test_a_nodes_proxy_is_believed_for_a_while_after_the_head_named_it_last() -> None:
    nodes = Nodes().after([ONE, TWO], 0.0)
    assert nodes.hops == {parsed("192.0.2.10"), parsed("192.0.2.11")}
    assert nodes.after([ONE], HOP_KEPT_S).hops == nodes.hops
    assert nodes.after([ONE], HOP_KEPT_S + 1.0).hops == {parsed("192.0.2.10")}


def test_what_is_known_holds_for_as_long_as_nobody_says_otherwise() -> None:
    away_for_a_day = 86_400.0
    nodes = Nodes().after([ONE, TWO], 0.0)
    assert nodes.after([ONE, TWO], away_for_a_day).hops == nodes.hops
    assert states(nodes.after([ONE, TWO], away_for_a_day)) == {"192.0.2.10": "ready", "192.0.2.11": "ready"}


def test_the_hops_are_the_same_object_until_they_change() -> None:
    nodes = Nodes().after([ONE, TWO], 0.0)
    assert nodes.after([TWO, ONE], 2.0).hops is nodes.hops
    assert nodes.after([ONE, TWO, Sighting("3" * 56, "192.0.2.12")], 2.0).hops is not nodes.hops


@pytest.mark.parametrize("told", [Told(draining=(TWO.node_id,)), NOBODY_SAID], ids=["by command", "by Ray"])
def test_a_node_drains_where_ray_or_an_operator_says_so(told: Told) -> None:
    seen = TWO if told.draining else Sighting(TWO.node_id, TWO.address, draining=True)
    assert states(Nodes().after([ONE, seen], 0.0), told) == {"192.0.2.10": "ready", "192.0.2.11": "draining"}


def test_a_node_that_left_without_being_stopped_is_missed_for_an_hour() -> None:
    nodes = Nodes().after([ONE, TWO], 0.0).after([ONE], 2.0)
    assert states(nodes) == {"192.0.2.10": "ready", "192.0.2.11": "gone"}
    assert states(nodes.after([ONE], GONE_KEPT_S)) == {"192.0.2.10": "ready", "192.0.2.11": "gone"}
    assert states(nodes.after([ONE], GONE_KEPT_S + 1.0)) == {"192.0.2.10": "ready"}


@pytest.mark.parametrize("told", [Told(draining=(TWO.node_id,)), Told(forgotten=(TWO.node_id,))])
def test_a_node_that_drained_or_was_forgotten_is_not_missed(told: Told) -> None:
    assert states(Nodes().after([ONE, TWO], 0.0).after([ONE], 2.0), told) == {"192.0.2.10": "ready"}


def test_a_node_that_ray_drained_is_not_missed_either() -> None:
    draining = Sighting(TWO.node_id, TWO.address, draining=True)
    assert states(Nodes().after([ONE, draining], 0.0).after([ONE], 2.0)) == {"192.0.2.10": "ready"}


def test_a_node_that_came_back_at_its_address_takes_the_place_of_the_one_that_was_lost() -> None:
    again = Sighting("4" * 56, TWO.address)
    nodes = Nodes().after([ONE, TWO], 0.0).after([ONE], 2.0).after([ONE, again], 4.0)
    assert states(nodes) == {"192.0.2.10": "ready", "192.0.2.11": "ready"}
    assert nodes.at("192.0.2.11") == again.node_id


def test_a_node_is_found_by_its_address_in_any_spelling_also_after_its_end() -> None:
    nodes = Nodes().after([ONE, Sighting("6" * 56, "2001:db8::10")], 0.0).after([], 2.0)
    assert nodes.at("::ffff:192.0.2.10") == ONE.node_id
    assert nodes.at("2001:DB8:0:0::10") == "6" * 56
    for stranger in ("192.0.2.99", "not an address", "", None):
        assert nodes.at(stranger) is None
    assert nodes.view(ONE.node_id, NOBODY_SAID).state is NodeState.GONE


def test_a_view_tells_whether_a_replica_runs_there() -> None:
    nodes = Nodes().after([ONE, TWO], 0.0)
    assert nodes.views(Told(serving=frozenset({TWO.node_id}))) == (
        NodeView(ONE.node_id, ONE.address, NodeState.READY, replica=False),
        NodeView(TWO.node_id, TWO.address, NodeState.READY, replica=True),
    )


def test_nothing_speaks_against_a_node_that_is_not_known_yet() -> None:
    assert Nodes().view("9" * 56, NOBODY_SAID).state is NodeState.READY
    assert Nodes().view("9" * 56, Told(draining=("9" * 56,))).state is NodeState.DRAINING
