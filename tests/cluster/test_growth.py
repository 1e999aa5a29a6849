"""Where the parts of the service are, as nodes join, leave and come back: shards of coordinators are spread, and their
agents are beside them, reached by a socket. The tests run in the order in which they stand."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterator

import pytest
from worlds.hosts.bed import Bed
from worlds.hosts.cluster_load import Load
from worlds.hosts.host import Host
from worlds.hosts.installation import Installation, installed
from worlds.waiting import wait_until

pytestmark = [pytest.mark.drill, pytest.mark.timeout(1200)]

PLACES = """
import json
from aragora.composition.cluster.connection import connected
from aragora.config.settings import settings_in
with connected(settings_in(None)):
    from actors.cluster_nodes import nodes
    from actors.whereabouts import parts
    address = {node.id: node.address for node in nodes()}
    print(json.dumps([[part.name, address.get(part.node_id, "")] for part in parts()]))
"""
PYTHON = "set -a && . /opt/aragora/.env && ARAGORA_DATA_DIR=/opt/aragora/.nomic /opt/aragora/current/.venv/bin/python -"


@pytest.fixture(scope="module")
def at(bed: Bed) -> Iterator[Installation]:
    """Two nodes serve; the third is not in cluster.yaml yet."""
    bed.mend()
    at = installed(bed, ARAGORA_COORDINATOR_SHARDS="3", ARAGORA_AGENT_SHARDS="3")
    workers(at, bed.n2)
    at.up().output()
    yield at
    for node in reversed(bed.nodes):
        at.aragora(node, "node stop")


def workers(at: Installation, *nodes: Host) -> None:
    """Edit cluster.yaml on the laptop."""
    edit = f"s/worker_ips: .*/worker_ips: [{', '.join(node.address for node in nodes)}]/"
    at.typed(f"sed -i {shlex.quote(edit)} cluster.yaml").output()


def places(at: Installation) -> dict[str, str]:
    """The address of the node of every part that has one, by name."""
    told: list[list[str]] = json.loads(at.bed.n1.run(PYTHON, given=PLACES).output())
    return {name: address for name, address in told if address}


def coordinators(at: Installation) -> list[int]:
    """How many are on each node, the most first."""
    counts = Counter(address for name, address in places(at).items() if name.startswith("coordinator/"))
    return sorted(counts.values(), reverse=True)


def strangers(at: Installation) -> list[str]:
    """Agents that are not on the node of the coordinator that asks them."""
    found = places(at)
    agents = [name for name in found if name.startswith("agent/")]
    return [name for name in agents if found[name] != found.get(f"coordinator/{name.rpartition('#')[2]}")]


def debates_run(at: Installation, *nodes: Host) -> Load:
    """Load on these nodes until every coordinator has had a few; nothing of it failed."""
    with Load(at, nodes) as load:
        wait_until(lambda: len(load.accepted) >= 20, "debates run", 120.0)
    assert load.failed == []
    return load


def test_shards_are_spread_and_their_agents_are_beside_them(at: Installation) -> None:
    assert coordinators(at) == [2, 1]
    debates_run(at, at.bed.n1, at.bed.n2)
    assert any(name.startswith("agent/") for name in places(at))
    assert strangers(at) == []


def test_they_speak_through_a_socket_of_their_own_node(at: Installation) -> None:
    for node in (at.bed.n1, at.bed.n2):
        for agent in node.run("pgrep -f [r]ay::AgentActor").output().split():
            connected = node.run(f"ss -xH state established | grep -c /a{agent}/s", user="root").stdout
            assert int(connected) >= 1, f"nobody has connected to agent {agent} of {node.name}"


def test_a_node_that_is_added_takes_requests_without_a_restart(at: Installation) -> None:
    n1, n2, n3 = at.bed.nodes
    before = places(at)
    workers(at, n2, n3)
    with Load(at, (n1, n2)) as load:
        at.up().output()
        at.await_ready(n3)
    assert load.failed == []
    assert load.refused == []
    assert at.ask(n3, "GET", "/api/health").json["nodes"]["ready"] == 3
    after = places(at)
    assert all(after[name] == place for name, place in before.items() if name.startswith("coordinator/"))


def test_coordinators_move_to_it_when_they_are_told_to_and_no_debate_is_lost(at: Installation) -> None:
    with Load(at, at.bed.nodes) as load:
        wait_until(lambda: len(load.accepted) >= 5, "debates run")
        told = at.aragora(at.bed.n1, "cluster rebalance").output()
        before = len(load.accepted)
        wait_until(lambda: len(load.accepted) >= before + 10, "debates are accepted still", 120.0)
    assert "1 coordinator moved" in told
    assert load.failed == []
    assert load.refused == []
    completed(at, load)
    assert coordinators(at) == [1, 1, 1]
    assert strangers(at) == []
    assert "nothing has moved" in at.aragora(at.bed.n1, "cluster rebalance").output()


def test_after_a_drain_and_a_return_the_shards_are_even_again(at: Installation) -> None:
    n1, n2, n3 = at.bed.nodes
    with Load(at, (n1, n3)) as load:
        wait_until(lambda: len(load.accepted) >= 5, "debates run")
        at.aragora(n1, f"cluster drain {n2.address}").output()
        assert sum(coordinators(at)) == 3
        at.aragora(n2, "node stop").output()
        at.aragora(n2, f"node start --address {n1.address}").output()
        at.await_ready(n2)
        at.aragora(n1, "cluster rebalance").output()
        before = len(load.accepted)
        wait_until(lambda: len(load.accepted) >= before + 10, "debates are accepted still", 120.0)
    assert load.failed == []
    assert load.refused == []
    completed(at, load)
    assert coordinators(at) == [1, 1, 1]


def completed(at: Installation, load: Load) -> None:
    def left() -> list[str]:
        asked = {one: at.ask(at.bed.n1, "GET", f"/api/debates/{one}").json["status"] for one in load.accepted}
        return [one for one, status in asked.items() if status != "completed"]

    wait_until(lambda: not left(), "every debate is completed", 180.0)
