"""What a fault costs: a worker of three dies, falls silent, is cut off, is slow or has a wrong clock, while clients
read, open debates and follow their events. Each test ends with the whole cluster again; they share one.

Judged by the invariants of tests/chaos. What each costs is printed (`-s`), and stands in docs/cluster.md.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest
from worlds.chaos_served import ServedLog
from worlds.hosts.bed import Bed
from worlds.hosts.cluster_load import Load
from worlds.hosts.event_follower import EventFollower
from worlds.hosts.host import Host
from worlds.hosts.installation import Installation, installed
from worlds.hosts.judged import STUB_LOG, followed, judged
from worlds.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.drill, pytest.mark.timeout(1200)]

SHARDS = 3
MISSED_S = 90.0
"""At most until the head knows that a worker is away: twice Ray's own default."""
BACK_S = 240.0
CLOCK_OFF_S = 300
LONG = 30
"""Debates: of every three one is opened over the slow line, so that it lasts longer than a silent worker is waited
for."""
RUNNING = "SELECT count(*) FROM debates WHERE status = 'active'"


@pytest.fixture(scope="module")
def at(bed: Bed) -> Iterator[Installation]:
    """Three coordinators, one on each node, whose debates last some seconds."""
    bed.mend()
    at = installed(
        bed,
        ARAGORA_COORDINATOR_SHARDS=str(SHARDS),
        ARAGORA_AGENT_SHARDS=str(SHARDS),
        ARAGORA_STUB_LATENCY_MS="700",
        ARAGORA_STUB_LOG=STUB_LOG,
    )
    at.up().output()
    yield at
    for node in reversed(bed.nodes):
        at.aragora(node, "node stop")


@pytest.fixture(autouse=True)
def whole(at: Installation) -> Iterator[None]:
    """Each test begins with the whole cluster, a coordinator on each node, whatever the one before has left."""
    n1, *others = at.bed.nodes
    for node in others:
        if not at.ready(node):
            at.aragora(node, "node stop")  # a drained one would go on as it is
            at.aragora(node, f"node start --address {n1.address}").output()
    whole_again(at)
    yield
    at.bed.mend()


@dataclass
class Trial:
    """The clients of one fault. `began` is when it began, by the monotonic clock."""

    name: str
    load: Load
    followers: Sequence[EventFollower]
    began: float = 0.0
    shards_s: float = 0.0

    def begins(self) -> None:
        self.began = time.monotonic()

    def shards_work_again(self) -> None:
        """Return when debates of every coordinator have been accepted again, and take the time without any."""
        before = len(self.load.accepted)
        wait_until(lambda: len(self.load.accepted) >= before + 6 * SHARDS, "debates are accepted on", 180.0)
        self.shards_s = self.load.without_debates_s(self.began)


@contextmanager
def trial(at: Installation, name: str, asked: Sequence[Host], served: Sequence[ServedLog] = ()) -> Iterator[Trial]:
    """A fault within the block, under load at the nodes `asked`; afterwards nothing of it is lost, and nobody has
    missed an event, whichever node they had followed it at."""
    load = Load(at, asked, opened_per_s=3.0)
    followers = [EventFollower(at, at.bed.nodes[first:] + at.bed.nodes[:first], load) for first in (0, 2)]
    with ExitStack() as stack:
        for follower in followers:
            stack.enter_context(follower)
        with load:
            wait_until(lambda: len(load.accepted) >= 10, "debates run")
            tried = Trial(name, load, followers)
            yield tried
    found = judged(at, load.accepted, served)
    print(  # noqa: T201 - the figures
        f"\n{name}: {len(load.failed)} of {load.reads} reads failed, the slowest took {max(load.slowest_s.values()):.1f} s; "
        f"{len(load.accepted)} debates, {len(found.lost)} lost, {len(load.refused)} tries refused, none accepted for "
        f"{tried.shards_s:.1f} s; events missed: {[len(follower.missed()) for follower in followers]} over "
        f"{[follower.connections for follower in followers]} connections"
    )
    assert load.failed == []
    assert found.problems() == []
    for follower in followers:
        assert follower.wrong == []
        assert follower.missed() == []


def whole_again(at: Installation) -> None:
    def states() -> list[tuple[str, int]]:
        return [(node["state"], node["coordinators"]) for node in at.status(at.bed.n1)]

    at.await_ready(limit_s=BACK_S)
    wait_until(lambda: {state for state, _ in states()} == {"ready"}, "the cluster is whole again", BACK_S, pause_s=0.5)
    at.aragora(at.bed.n1, "cluster rebalance").output()
    assert states() == [("ready", 1)] * SHARDS


def state_of(at: Installation, node: Host) -> str:
    return str({one["address"]: one["state"] for one in at.status(at.bed.n1)}.get(node.address, "gone"))


def test_a_drain_at_50_reads_a_second_with_20_debates_in_flight_fails_nobody(at: Installation) -> None:
    n1, n2, n3 = at.bed.nodes
    load = Load(at, (n1, n3, n1, n3), reads_per_s=12.5, opened_per_s=4.0)
    with EventFollower(at, (n2, n3), load) as follower, load:
        wait_until(lambda: int(at.sql(RUNNING)) >= 20, "20 debates are in flight", 120.0)
        began, reads = time.monotonic(), load.reads
        at.aragora(n1, f"cluster drain {n2.address}").output()
        took_s, read = time.monotonic() - began, load.reads - reads
        in_flight = int(at.sql(RUNNING))
        at.aragora(n2, "node stop").output()
    print(f"\ndrain: {took_s:.0f} s, {read / took_s:.0f} reads/s, {in_flight} in flight")  # noqa: T201 - the figures
    assert (load.failed, load.refused) == ([], [])
    assert judged(at, load.accepted).problems() == []
    assert (follower.wrong, follower.missed()) == ([], [])


def test_a_worker_whose_processes_are_killed(at: Installation) -> None:
    n1, n2, n3 = at.bed.nodes
    with followed(at) as served, trial(at, "killed", (n1, n2), served) as tried:
        tried.begins()
        n3.kill_processes()
        tried.shards_work_again()


def test_a_worker_that_falls_silent_and_comes_back(at: Installation) -> None:
    n1, n2, n3 = at.bed.nodes
    with followed(at) as served, trial(at, "silent", (n1, n2), served) as tried:
        tried.begins()
        at.bed.pull_cable(n3)
        tried.shards_work_again()
        wait_until(lambda: state_of(at, n3) != "ready", "the head misses it", MISSED_S)
        at.bed.push_cable(n3)
        whole_again(at)


def test_a_worker_cut_from_the_head_but_not_from_the_database_writes_nothing_its_successor_does_not_know(
    at: Installation,
) -> None:
    n1, n2, n3 = at.bed.nodes
    with followed(at) as served, trial(at, "zombie", (n1, n2), served) as tried:
        tried.begins()
        at.bed.cut(n1, n3)
        wait_until(lambda: state_of(at, n3) != "ready", "the head misses it", MISSED_S)
        tried.shards_work_again()
        at.bed.join(n1, n3)
        whole_again(at)


def test_a_worker_behind_a_line_of_500_ms_that_loses_5_percent(at: Installation) -> None:
    n1, n2, n3 = at.bed.nodes
    with followed(at) as served, trial(at, "slow line", (n1, n2), served) as tried:
        tried.begins()
        at.bed.slow(n3, delay_s=0.25, loss=0.05)
        before = len(tried.load.accepted)
        wait_until(lambda: len(tried.load.accepted) >= before + LONG, "debates are accepted meanwhile", 300.0)
        print(f"\nslow line: n3 is {state_of(at, n3)} at its end")  # noqa: T201 - the figure
        tried.shards_s = tried.load.without_debates_s(tried.began)
        at.bed.straighten(n3)
        whole_again(at)


@pytest.mark.parametrize("ahead_s", [CLOCK_OFF_S, -CLOCK_OFF_S])
def test_a_worker_whose_clock_is_five_minutes_off(at: Installation, ahead_s: int) -> None:
    n1, n2, n3 = at.bed.nodes
    at.aragora(n3, "node stop").output()
    n3.power_off()
    n3.power_on(clock_ahead_s=ahead_s)
    try:
        with trial(at, f"clock {ahead_s:+} s", (n1, n2)) as tried:
            tried.begins()
            at.aragora(n3, f"node start --address {n1.address}").output()
            whole_again(at)
            tried.shards_work_again()
        assert "clock" in at.aragora(n3, "doctor --cluster").stdout
    finally:
        at.aragora(n3, "node stop").output()
        n3.power_off()
        n3.power_on()
