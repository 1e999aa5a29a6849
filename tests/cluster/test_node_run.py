"""The nodes under their units, without `ray up`: `aragora node run` starts, stays, drains at SIGTERM, and ends with 1
where its Ray has ended, so that the unit starts it again. The tests share one cluster and run in this order."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from worlds.hosts import units
from worlds.hosts.bed import Bed
from worlds.hosts.cluster_load import Load
from worlds.hosts.judged import judged
from worlds.hosts.units import Cluster
from worlds.waiting import wait_until

AWAY_S = 80.0
ENDS_S = 180.0
"""Ray ends a worker whose head has forgotten it, at the next word between them."""
SERVES_S = 300.0
PROCESSES = "pgrep -x 'raylet|gcs_server|haproxy'"

pytestmark = [pytest.mark.slow, pytest.mark.drill, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def cluster(bed: Bed) -> Iterator[Cluster]:
    with units.running(bed) as cluster:
        yield cluster


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


def test_one_of_another_data_directory_is_kept_out_by_the_ports_that_are_taken(cluster: Cluster) -> None:
    n2 = cluster.at.bed.n2
    second = n2.run("ARAGORA_DATA_DIR=/tmp/second aragora node run --address 10.77.0.10")
    assert second.status == 2
    assert "node n2 (10.77.0.11): port 8080 is in use" in second.stderr
    assert n2.run(PROCESSES).status == 0
    assert cluster.at.ready(n2)


@pytest.mark.parametrize("off_s", [0.0, AWAY_S], ids=["at once", "after more than a minute"])
def test_a_head_without_redis_that_lost_its_power_comes_back_so_do_the_workers_and_no_debate_is_lost(
    cluster: Cluster, off_s: float
) -> None:
    """The head has forgotten the nodes, and their Ray ends; what was accepted goes on from the journal."""
    head, *workers = cluster.units
    n1, n2, n3 = cluster.at.bed.nodes
    failures = [unit.failures for unit in workers]

    def ended() -> bool:
        return all(unit.failures > before for unit, before in zip(workers, failures, strict=True))

    with Load(cluster.at, (n2, n3)) as load:
        wait_until(lambda: len(load.accepted) >= 10, "debates run")
        n1.power_off()
        off = time.monotonic()
        wait_until(lambda: time.monotonic() - off >= off_s, "its power is back", off_s + 60.0)
        n1.power_on()
        on = time.monotonic()
        head.start()
        wait_until(ended, "the Ray of the workers has ended", ENDS_S)
        ended_s = time.monotonic() - on
        cluster.at.await_ready(limit_s=SERVES_S)
        ready_s = time.monotonic() - on
        before = len(load.accepted)
        wait_until(lambda: len(load.accepted) >= before + 5, "debates are accepted again", SERVES_S)
    assert all(unit.active for unit in cluster.units)
    assert judged(cluster.at, load.accepted).problems() == []
    assert {node["state"] for node in cluster.at.status(n1)} == {"ready"}
    told = f"off for {on - off:.0f} s; from its start the workers had ended after {ended_s:.0f} s"
    paused = f"all were ready after {ready_s:.0f} s; no debate for {load.without_debates_s(off):.0f} s"
    print(f"{told}, {paused}; {len(load.failed)} of {load.reads} reads failed, {len(load.accepted)} debates, 0 lost")  # noqa: T201


def test_node_stop_ends_the_one_that_runs_and_the_unit_leaves_it_down(cluster: Cluster) -> None:
    n3 = cluster.at.bed.n3
    cluster.at.aragora(n3, "node stop").output()
    wait_until(lambda: not cluster.units[2].active, "the unit stays down")
    assert n3.run(PROCESSES).status == 1
    assert "unit: ended with 0" in cluster.units[2].log


def test_node_stop_beside_one_that_has_just_begun_leaves_nothing(cluster: Cluster) -> None:
    n3 = cluster.at.bed.n3
    cluster.units[2].start()
    wait_until(lambda: n3.run("pgrep -f '[r]ay.scripts.scripts start'").status == 0, "its Ray begins")
    cluster.at.aragora(n3, "node stop").output()
    wait_until(lambda: not cluster.units[2].active, "the unit stays down")
    assert n3.run(PROCESSES).status == 1


def test_the_last_one_drains_the_service(cluster: Cluster) -> None:
    n1, n2, _ = cluster.at.bed.nodes
    cluster.units[1].stop()
    with Load(cluster.at, (n1,)) as load:
        wait_until(lambda: len(load.accepted) >= 5, "debates run")
    cluster.units[0].stop()
    assert "drained" in cluster.units[0].log
    for node in (n1, n2):
        assert node.run(PROCESSES).status == 1
    cluster.units[0].start()
    cluster.at.await_ready(n1)
    assert judged(cluster.at, load.accepted).problems() == []


def test_node_stop_beside_a_head_that_still_deploys_leaves_nothing(cluster: Cluster) -> None:
    n1 = cluster.at.bed.n1
    cluster.units[0].stop()
    cluster.units[0].start()
    wait_until(lambda: n1.listens(6380), "the head's GCS runs")
    cluster.at.aragora(n1, "node stop").output()
    wait_until(lambda: not cluster.units[0].active, "the unit stays down")
    assert n1.run(PROCESSES).status == 1
