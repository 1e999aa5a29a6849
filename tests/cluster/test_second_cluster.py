"""The service moves to a second cluster on the same PostgreSQL, which has another version of Ray, and back: by
scripts/change_cluster.py, under load through nginx. The tests share the two clusters and run in this order."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from worlds.hosts.bed import Bed
from worlds.hosts.cluster_load import Load
from worlds.hosts.commands import Finished
from worlds.hosts.edge import NODES_FILE, Edge, edge_before
from worlds.hosts.host import Host
from worlds.hosts.installation import Installation, installed
from worlds.hosts.judged import STUB_LOG, followed, judged
from worlds.hosts.other_ray import install_with_other_ray, version, why_no_other_ray
from worlds.waiting import wait_until

pytestmark = [pytest.mark.drill, pytest.mark.timeout(1800)]

MOVE_S = 600.0
AGENTS = 3
READS = ("/api/health", "/api/debates?limit=5")
NO_OTHER_RAY = why_no_other_ray()
ARAGORA = "/opt/aragora/bin/aragora"
WITHOUT_DEPLOY = f"""\
#!/bin/sh
case "$*" in *"cluster deploy"*) echo "it does not begin" >&2; exit 1 ;; esac
exec {ARAGORA}.real "$@"
"""


@dataclass
class Two:
    """`n1` is the old head, with `n2` as its worker; `n3` is the new one, alone."""

    at: Installation
    edge: Edge

    @property
    def n1(self) -> Host:
        return self.at.bed.n1

    @property
    def n3(self) -> Host:
        return self.at.bed.n3

    def move(self, old: Host, new: Host, more: str = "") -> Finished:
        return self.at.typed(
            f"python scripts/change_cluster.py --from {old.name} --to {new.name} --nginx here --nodes-file {NODES_FILE} "
            f"{more}",
            timeout_s=MOVE_S,
        )

    def serves(self) -> str:
        return self.at.sql("SELECT head FROM serving_cluster")


@pytest.fixture(scope="module")
def two(bed: Bed) -> Iterator[Two]:
    if NO_OTHER_RAY:
        pytest.skip(NO_OTHER_RAY)
    bed.mend()
    at = installed(
        bed,
        ARAGORA_COORDINATOR_SHARDS="2",
        ARAGORA_STUB_LATENCY_MS="1000",
        ARAGORA_DRAIN_TIMEOUT_S="2",  # so that some debates are cut, and go on over there
        ARAGORA_STUB_LOG=STUB_LOG,
        ARAGORA_TRUSTED_PROXIES=bed.laptop.address,
    )
    at.typed(f"sed -i 's/worker_ips: .*/worker_ips: [{bed.n2.address}]/' cluster.yaml").output()
    at.up().output()
    install_with_other_ray(at, bed.n3)
    at.aragora(bed.n3, "node start --head").output()
    edge = edge_before(at, bed.n1, bed.n2)
    yield Two(at, edge)
    edge.stop()
    for node in reversed(bed.nodes):
        at.aragora(node, "node stop")


@dataclass(frozen=True)
class Cost:
    """What a move cost its clients, and what its operator saw. `again` are asks that were served twice."""

    without_debates_s: float
    without_reads_s: float
    debates: int
    tries_refused: int
    reads: int
    reads_failed: int
    asks: int
    again: int
    said: str


def moved_under_load(two: Two, old: Host, new: Host, more: str = "") -> Cost:
    """The move, while clients read and open debates through nginx: what is refused is refused so that they may ask
    again, and nothing accepted is lost."""
    with followed(two.at) as served:
        with Load(two.edge, (two.edge,), READS) as load:
            wait_until(lambda: len(load.accepted) >= 5, "debates run")
            began = time.monotonic()
            said = two.move(old, new, more).output()
            before = len(load.accepted)
            wait_until(lambda: len(load.accepted) >= before + 5, "debates are accepted again")
        findings = judged(two.at, load.accepted, served)
    asked = Counter(ask.ask_id for log in served for ask in log.asks)
    cost = Cost(
        without_debates_s=load.without_debates_s(began),
        without_reads_s=load.without_reads_s(began),
        debates=len(load.accepted),
        tries_refused=len(load.refused),
        reads=load.reads,
        reads_failed=len(load.failed),
        asks=sum(asked.values()),
        again=sum(times - 1 for times in asked.values()),
        said=said,
    )
    assert findings.problems() == []
    assert findings.completed == findings.debates >= cost.debates
    assert max(asked.values()) <= 2, "cut by the drain, and asked once more over there"
    assert cost.again <= AGENTS * cost.debates
    assert load.failed == [], "reads go on"
    assert {text.split(":")[1].split()[0] for text in load.refused} <= {"503"}, "which may be sent again"
    return cost


def test_before_the_move_the_new_cluster_may_not_serve_beside_the_old_one(two: Two) -> None:
    told = two.at.aragora(two.n3, "cluster deploy")
    assert told.status != 0
    assert f"the cluster of the head {two.n1.address} serves" in told.stderr
    assert "--instead-of" in told.stderr
    lived = two.at.aragora(two.n3, f"cluster deploy --instead-of {two.n1.address}")
    assert lived.status != 0
    assert "answers, so its cluster lives" in lived.stderr
    two.at.await_ready(two.n1, two.at.bed.n2)


def test_a_look_tells_both_and_changes_nothing(two: Two) -> None:
    refused = two.move(two.n1, two.n3, "--check")
    assert refused.status == 2
    assert "1 of 2 nodes are there" in refused.stdout
    looked = two.move(two.n1, two.n3, "--check --nodes 1").output()
    assert f"Ray {version()}" in looked
    assert two.serves() == f"{two.n1.address}:6380"


def test_it_moves_to_the_other_ray_and_loses_nothing(two: Two, record_property: Callable[[str, object], None]) -> None:
    record_property("cost", moved_under_load(two, two.n1, two.n3, "--nodes 1"))
    assert two.edge.nodes() == [f"{two.n3.address}:8080"] * 2
    assert two.serves() == f"{two.n3.address}:6380"
    assert not two.at.bed.n1.listens(8080), "the ingress of the old one has ended"


def test_the_old_cluster_is_kept_out_while_the_new_one_serves(two: Two) -> None:
    told = two.at.aragora(two.n1, "cluster deploy")
    assert told.status != 0
    assert f"the cluster of the head {two.n3.address} serves" in told.stderr
    ended = two.at.aragora(two.n1, "cluster undeploy").output()
    assert "nothing to drain" in ended
    two.at.await_ready(two.n3)


def test_the_way_back_loses_nothing(two: Two, record_property: Callable[[str, object], None]) -> None:
    record_property("cost", moved_under_load(two, two.n3, two.n1, "--nodes 2"))
    assert two.edge.nodes() == [f"{node.address}:8080" for node in (two.n1, two.at.bed.n2)] * 2
    assert two.serves() == f"{two.n1.address}:6380"


def test_where_the_new_one_does_not_begin_the_old_one_serves_again(two: Two) -> None:
    two.n3.run(f"mv {ARAGORA} {ARAGORA}.real").output()
    two.n3.write(ARAGORA, WITHOUT_DEPLOY, mode=0o755)
    with Load(two.edge, (two.edge,), READS) as load:
        wait_until(lambda: len(load.accepted) >= 5, "debates run")
        failed = two.move(two.n1, two.n3, "--nodes 1")
        before = len(load.accepted)
        wait_until(lambda: len(load.accepted) >= before + 5, "debates are accepted again")
    two.n3.run(f"mv {ARAGORA}.real {ARAGORA}").output()
    assert failed.status == 1, failed.stdout
    assert "FAILED: n3: it does not begin" in failed.stdout
    assert "n1 serves as before" in failed.stdout
    assert two.serves() == f"{two.n1.address}:6380"
    assert load.failed == [], "reads go on"
    assert load.refused != [], "it had drained already"
    assert judged(two.at, load.accepted).problems() == []


def test_a_cluster_that_ends_while_the_other_serves_disturbs_nobody(two: Two) -> None:
    with Load(two.edge, (two.edge,), READS) as load:
        wait_until(lambda: len(load.accepted) >= 3, "debates run")
        two.at.aragora(two.n3, "cluster stop").output()
        before = len(load.accepted)
        wait_until(lambda: len(load.accepted) >= before + 5, "debates are accepted on")
    assert load.failed == []
    assert load.refused == []
    assert judged(two.at, load.accepted).problems() == []
