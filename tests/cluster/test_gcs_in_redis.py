"""The head's state in Redis: its GCS is killed again and again, the head loses power, and the cluster is stopped."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from worlds.hosts import units
from worlds.hosts.bed import Bed
from worlds.hosts.cluster_load import Load
from worlds.hosts.judged import STUB_LOG, followed, judged
from worlds.hosts.units import Cluster
from worlds.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.drill, pytest.mark.timeout(900)]

KILLED = 20
OTHERS_KEY = "RAYanother-cluster@KV"
KEEPER = "gcs_server.sh"


@pytest.fixture(scope="module")
def cluster(bed: Bed) -> Iterator[Cluster]:
    redis = {"RAY_REDIS_ADDRESS": f"{bed.db.address}:6379", "RAY_REDIS_PASSWORD": bed.db.password}
    with units.running(bed, ARAGORA_STUB_LOG=STUB_LOG, **redis) as cluster:
        yield cluster


def test_the_password_is_in_no_command_line(cluster: Cluster) -> None:
    for node in cluster.at.bed.nodes:
        commands = node.run("cat /proc/[0-9]*/cmdline", user="root").stdout
        assert "raylet" in commands
        assert cluster.at.bed.db.password not in commands


def test_the_gcs_killed_twenty_times_costs_no_request_and_no_debate(cluster: Cluster) -> None:
    n1, n2, _ = cluster.at.bed.nodes
    raylet = n1.run("pgrep -x raylet").output()
    with followed(cluster.at) as served, Load(cluster.at, (n1, n2)) as load:
        wait_until(lambda: len(load.accepted) >= 5, "debates run")
        for _ in range(KILLED):
            n1.run("pkill -9 -x gcs_server").output()
            wait_until(lambda: n1.run("pgrep -x gcs_server").status == 0, "the GCS is started again")
            wait_until(lambda: n1.listens(6380), "the GCS listens")
            before = len(load.accepted)
            wait_until(lambda before=before: len(load.accepted) >= before + 3, "debates are accepted")
    assert (load.failed, load.refused) == ([], [])
    assert judged(cluster.at, load.accepted, served).problems() == []
    assert n1.run("pgrep -x raylet").output() == raylet
    assert {node["state"] for node in cluster.at.status(n2)} == {"ready"}


def test_debates_are_opened_and_run_while_there_is_no_gcs(cluster: Cluster) -> None:
    n1, n2, n3 = cluster.at.bed.nodes
    with Load(cluster.at, (n2, n3)) as load:
        wait_until(lambda: len(load.accepted) >= 5, "debates run")
        n1.run(f"pkill -STOP -x {KEEPER}; pkill -9 -x gcs_server").output()
        try:
            before = len(load.accepted)
            wait_until(lambda: len(load.accepted) >= before + 20, "debates are accepted")
            assert not n1.listens(6380)
        finally:
            n1.run(f"pkill -CONT -x {KEEPER}").output()
    assert (load.failed, load.refused) == ([], [])
    assert judged(cluster.at, load.accepted).problems() == []


def test_a_head_that_loses_its_power_comes_back_and_the_others_have_waited(cluster: Cluster) -> None:
    n1, n2, n3 = cluster.at.bed.nodes
    raylets = [node.run("pgrep -x raylet").output() for node in (n2, n3)]
    with Load(cluster.at, (n2, n3)) as load:
        wait_until(lambda: len(load.accepted) >= 5, "debates run")
        n1.power_off()
        before = len(load.accepted)
        n1.power_on()
        cluster.units[0].start()
        wait_until(lambda: len(load.accepted) >= before + 5, "debates are accepted again", 180.0)
        cluster.at.await_ready(n1)
    assert load.failed == []
    assert [node.run("pgrep -x raylet").output() for node in (n2, n3)] == raylets
    assert judged(cluster.at, load.accepted).problems() == []


def test_stopping_the_cluster_leaves_nothing_of_it_in_redis_and_all_of_others(cluster: Cluster) -> None:
    n1, db = cluster.at.bed.n1, cluster.at.bed.db
    db.redis(f"hset {OTHERS_KEY} key value")
    assert "RAYaragora-" in db.redis("keys 'RAY*'")
    cluster.at.aragora(n1, "cluster stop").output()
    assert db.redis("keys 'RAY*'").split() == [OTHERS_KEY]
    for unit in cluster.units:
        wait_until(lambda unit=unit: not unit.active, f"the unit of {unit.host.name} stays down")
        assert "unit: ended with 0" in unit.log
        assert unit.host.run("pgrep -x 'raylet|gcs_server|haproxy'").status == 1


def test_the_next_start_after_it_is_a_new_cluster_that_serves(cluster: Cluster) -> None:
    n1, n2, _ = cluster.at.bed.nodes
    cluster.units = units.started(cluster.at)
    shown = cluster.at.status(n1)
    assert [node["state"] for node in shown] == ["ready"] * 3, "nothing is known of nodes that were before"
    with Load(cluster.at, (n1, n2)) as load:
        wait_until(lambda: len(load.accepted) >= 5, "debates run")
    assert (load.failed, load.refused) == ([], [])
    assert judged(cluster.at, load.accepted).problems() == []
    tables = set(cluster.at.bed.db.redis("keys 'RAY*'").split()) - {OTHERS_KEY}
    assert len({table.partition("@")[0] for table in tables}) == 1, "one cluster's"
