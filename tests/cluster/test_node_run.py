"""The nodes under their units, without `ray up`: `aragora node run` starts, stays, drains at SIGTERM, and ends with 1
where its Ray has ended, so that the unit starts it again. The tests share one cluster and run in this order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from worlds.hosts import units
from worlds.hosts.bed import Bed
from worlds.hosts.cluster_load import Load
from worlds.hosts.installation import Installation, installed
from worlds.hosts.judged import judged
from worlds.hosts.units import Unit
from worlds.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.drill, pytest.mark.timeout(900)]


@dataclass
class Cluster:
    """`units` are those of n1 (the head), n2 and n3."""

    at: Installation
    units: tuple[Unit, ...]


@pytest.fixture(scope="module")
def cluster(bed: Bed) -> Iterator[Cluster]:
    bed.mend()
    at = installed(bed)
    units.install(at)
    yield Cluster(at, units.started(at))
    for node in bed.nodes:
        node.kill_processes()


def test_sigterm_drains_that_node_only_and_fails_nobody(cluster: Cluster) -> None:
    n1, n2, n3 = cluster.at.bed.nodes
    with Load(cluster.at, (n1, n3)) as load:
        wait_until(lambda: len(load.accepted) >= 5, "debates run")
        cluster.units[1].stop()
        before = len(load.accepted)
        wait_until(lambda: len(load.accepted) >= before + 5, "debates are accepted on")
    assert load.failed == []
    assert load.refused == []
    assert judged(cluster.at, load.accepted).problems() == []
    assert "unit: ended with 0" in cluster.units[1].log
    assert not cluster.at.ready(n2)
    cluster.units[1].start()
    cluster.at.await_ready(n2)


def test_a_dead_raylet_ends_it_with_1_and_the_unit_brings_the_node_back(cluster: Cluster) -> None:
    n1, n2, n3 = cluster.at.bed.nodes
    with Load(cluster.at, (n1, n2)) as load:
        wait_until(lambda: len(load.accepted) >= 5, "debates run")
        n3.run("pkill -9 -x raylet").output()
        wait_until(lambda: "unit: ended with 1" in cluster.units[2].log, "node run has ended")
        cluster.at.await_ready(n3)
    assert load.failed == []
    assert judged(cluster.at, load.accepted).problems() == []


def test_two_of_one_data_directory_are_one_line(cluster: Cluster) -> None:
    n3 = cluster.at.bed.n3
    second = cluster.at.aragora(n3, "node run --address 10.77.0.10")
    assert second.status == 2
    (line,) = second.stderr.strip().splitlines()
    assert "runs this node already" in line
    assert cluster.at.ready(n3)


def test_node_stop_ends_the_one_that_runs_and_the_unit_leaves_it_down(cluster: Cluster) -> None:
    n3 = cluster.at.bed.n3
    cluster.at.aragora(n3, "node stop").output()
    wait_until(lambda: not cluster.units[2].active, "the unit stays down")
    assert n3.run("pgrep -x raylet").status == 1
    assert "unit: ended with 0" in cluster.units[2].log


def test_the_last_one_drains_the_service(cluster: Cluster) -> None:
    n1, n2, _ = cluster.at.bed.nodes
    cluster.units[1].stop()
    with Load(cluster.at, (n1,)) as load:
        wait_until(lambda: len(load.accepted) >= 5, "debates run")
    cluster.units[0].stop()
    assert "drained" in cluster.units[0].log
    for node in (n1, n2):
        assert node.run("pgrep -x 'raylet|gcs_server|haproxy'").status == 1
    cluster.units[0].start()
    cluster.at.await_ready(n1)
    assert judged(cluster.at, load.accepted).problems() == []
