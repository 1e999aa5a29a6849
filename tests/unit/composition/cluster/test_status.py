"""What `aragora cluster status` makes of what Ray's head and the launcher's log tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from actors import cluster_nodes, whereabouts
from actors.cluster_nodes import Node
from actors.kinds import AGENT, COORDINATOR
from actors.launcher_config import Machines
from actors.whereabouts import REPLICA, Part
from aragora.composition.cluster import status as module
from aragora.composition.cluster.missing import Missing
from aragora.composition.cluster.status import NodeStatus, status
from aragora.config.settings import Settings

HEAD, FIRST, SECOND = "10.77.0.10", "10.77.0.11", "10.77.0.12"
LAUNCHED = Machines(HEAD, (FIRST, SECOND), 2)


def node(address: str, *, alive: bool = True, draining: bool = False, stopped: bool = False, name: str = "") -> Node:
    return Node(name or f"id-{address}", address, address == HEAD, alive, draining, stopped)


class Cluster:
    """What Ray's head would tell."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.nodes: Sequence[Node] = (node(HEAD),)
        self.parts: Sequence[Part] = ()
        self.answering = {HEAD, FIRST, SECOND}
        self.missing: Sequence[Missing] = ()

    def status(self) -> dict[str, NodeStatus]:
        return {row.address: row for row in status(self.settings, LAUNCHED)}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cluster:
    cluster = Cluster(Settings(data_dir=tmp_path))

    @contextmanager
    def connected(_: Settings) -> Iterator[None]:
        yield

    monkeypatch.setattr(module, "connected", connected)
    monkeypatch.setattr(module, "serving_ports", lambda: (8080, 8765))
    monkeypatch.setattr(module, "takes_requests", lambda address, _: address in cluster.answering)
    monkeypatch.setattr(cluster_nodes, "nodes", lambda: cluster.nodes)
    monkeypatch.setattr(whereabouts, "parts", lambda: cluster.parts)

    def missing(_: Machines | None, joined: set[str]) -> Sequence[Missing]:
        return [machine for machine in cluster.missing if machine.address not in joined]

    monkeypatch.setattr(module, "missing", missing)
    return cluster


def test_a_node_is_ready_once_it_takes_requests(cluster: Cluster) -> None:
    cluster.nodes = (node(HEAD), node(FIRST), node(SECOND, draining=True))
    cluster.answering = {HEAD}
    states = {address: (row.role, row.state) for address, row in cluster.status().items()}
    assert states == {HEAD: ("head", "ready"), FIRST: ("worker", "starting"), SECOND: ("worker", "draining")}


def test_it_counts_what_runs_on_each_node(cluster: Cluster) -> None:
    cluster.nodes = (node(HEAD), node(FIRST))
    cluster.parts = (
        Part(REPLICA, "SERVE_REPLICA::x", f"id-{HEAD}", alive=True),
        Part(AGENT.name, "agent/1", f"id-{FIRST}", alive=True),
        Part(AGENT.name, "agent/2", f"id-{FIRST}", alive=True),
        Part(COORDINATOR.name, "coordinator/0", "", alive=False),
    )
    found = cluster.status()
    assert (found[HEAD].replicas, found[HEAD].coordinators, found[HEAD].agents) == (1, 0, 0)
    assert (found[FIRST].replicas, found[FIRST].coordinators, found[FIRST].agents) == (0, 0, 2)


def test_a_node_that_died_is_lost_until_one_lives_at_its_address(cluster: Cluster) -> None:
    cluster.nodes = (node(HEAD), node(FIRST, alive=False, name="first-life"))
    assert cluster.status()[FIRST].state == "lost"
    cluster.nodes = (*cluster.nodes, node(FIRST, name="second-life"))
    assert (cluster.status()[FIRST].state, cluster.status()[FIRST].id) == ("ready", "second-life")


def test_a_node_that_somebody_ended_is_stopped_and_not_lost(cluster: Cluster) -> None:
    cluster.nodes = (node(HEAD), node(FIRST, alive=False, stopped=True))
    assert cluster.status()[FIRST].state == "stopped"


def test_of_several_nodes_that_have_ended_at_an_address_the_last_one_counts(cluster: Cluster) -> None:
    before, after = node(FIRST, alive=False, stopped=True, name="2"), node(FIRST, alive=False, name="1")
    cluster.nodes = (node(HEAD), before, after)
    assert (cluster.status()[FIRST].state, cluster.status()[FIRST].id) == ("lost", "1")


def test_a_machine_that_never_joined_is_missing_with_its_reasons(cluster: Cluster) -> None:
    cluster.missing = (Missing(FIRST, ("n2: port 8080 is in use",)),)
    assert cluster.status()[FIRST] == NodeStatus(FIRST, "worker", "missing", 0, 0, 0, "", ("n2: port 8080 is in use",))


def test_a_lost_node_is_told_once_with_the_reason_why_it_does_not_come_back(cluster: Cluster) -> None:
    cluster.nodes = (node(HEAD), node(FIRST, alive=False))
    cluster.missing = (Missing(FIRST, ("ssh does not reach it",)),)
    rows = status(cluster.settings, LAUNCHED)
    assert [row.address for row in rows] == [HEAD, FIRST]
    assert (rows[1].state, rows[1].reasons) == ("lost", ("ssh does not reach it",))
