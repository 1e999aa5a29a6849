"""From `ray up cluster.yaml`, typed on a laptop, to `ray down`: three hosts, one service. The tests share one cluster
and run in the order in which they stand; what a test stops it starts again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product

import pytest
from websockets.sync.client import connect
from worlds.hosts.bed import LAPTOP, OTHER_CLIENTS, Bed
from worlds.hosts.cluster_load import Load
from worlds.hosts.execution_load import ROUNDS, ExecutionLoad
from worlds.hosts.host import Host
from worlds.hosts.installation import ENVIRONMENT, HTTP_PORT, WS_PORT, Installation, installed
from worlds.live_server import Response
from worlds.waiting import WAIT_S, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

QUESTION = {"question": "Tea?", "rounds": 1, "agents": ["stub-1", "stub-2", "stub-3"]}
RAYS = (
    "ps -eo pid,lstart,args | grep -E 'raylet/raylet|gcs_server|ray::' | grep -v grep | grep -v ray::IDLE | cut -c1-32"
)
"""Each process by its number and start: Ray puts what an actor does at the moment into the name of its process."""
LEFT = "ps -eo args | grep -E 'ray|haproxy|aragora' | grep -v grep"


@dataclass
class Cluster:
    """What `ray up` printed, and the installation that it brought up."""

    at: Installation
    printed: str
    debates: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def cluster(bed: Bed) -> Iterator[Cluster]:
    bed.mend()
    at = installed(bed)
    done = at.up()
    assert done.status == 0, done.stdout[-3000:] + done.stderr[-1000:]
    yield Cluster(at, done.stdout)
    for node in bed.nodes:
        at.aragora(node, "node stop")


def test_it_ends_when_every_node_takes_requests(cluster: Cluster) -> None:
    assert "3 of 3 nodes take requests" in cluster.printed
    assert all(cluster.at.ready(node) for node in cluster.at.bed.nodes)
    states = {(node["address"], node["role"], node["state"]) for node in cluster.at.status(cluster.at.bed.n2)}
    assert states == {
        ("10.77.0.10", "head", "ready"),
        ("10.77.0.11", "worker", "ready"),
        ("10.77.0.12", "worker", "ready"),
    }


@pytest.mark.parametrize("port", [HTTP_PORT, WS_PORT])
def test_every_node_serves_http_and_websocket_on_both_ports(cluster: Cluster, port: int) -> None:
    for node in cluster.at.bed.nodes:
        assert cluster.at.ask(node, "GET", "/api/health", port=port).status == 200
        with cluster.at.bed.laptop.network():
            bearer = {"Authorization": f"Bearer {cluster.at.token}"}
            with connect(f"ws://{node.address}:{port}/ws", additional_headers=bearer, open_timeout=WAIT_S) as client:
                assert "connection_info" in str(client.recv(WAIT_S))


def test_haproxy_of_each_node_is_the_only_ingress(cluster: Cluster) -> None:
    for node in cluster.at.bed.nodes:
        listening = node.run("ss -ltnpH", user="root").output()
        for port in (HTTP_PORT, WS_PORT):
            (line,) = (line for line in listening.splitlines() if f":{port} " in line)
            assert '"haproxy"' in line


def test_a_debate_of_one_node_is_followed_on_another_and_its_receipt_is_valid_on_each(cluster: Cluster) -> None:
    n1, n2, n3 = cluster.at.bed.nodes
    debate_id = opened(cluster, n2)
    wait_until(lambda: state(cluster, n3, debate_id) == "completed", "the debate is completed")
    events = cluster.at.ask(n1, "GET", f"/api/debates/{debate_id}/events?after=0").body
    numbers = [int(number) for number in re.findall(r"^id: (\d+)", events, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    receipts = [cluster.at.ask(node, "GET", f"/api/debates/{debate_id}/receipt").body for node in (n1, n2, n3)]
    assert len(set(receipts)) == 1
    for node in (n1, n2, n3):
        verified = cluster.at.ask(
            node, "POST", "/api/receipts/verify", receipts[0].encode(), Content_Type="application/json"
        )
        assert verified.json["valid"] is True, verified.body


def test_a_login_of_one_node_is_good_on_all(cluster: Cluster) -> None:
    person = {"email": "ada@example.org", "password": "correct horse battery staple"}
    made = "aragora users create ada@example.org --role owner --password-stdin"
    cluster.at.bed.n1.run(made, given=person["password"]).output()
    answer = cluster.at.ask(cluster.at.bed.n3, "POST", "/api/auth/login", person, Authorization="")
    access = answer.json["access_token"]
    for node in cluster.at.bed.nodes:
        for _ in range(4):  # whichever replica answers
            assert cluster.at.ask(node, "GET", "/api/auth/me", Authorization=f"Bearer {access}").status == 200


def test_the_client_is_the_client_on_every_node_whatever_it_claims(cluster: Cluster) -> None:
    wrong = {"email": "nobody@example.org", "password": "a wrong password"}
    for source, node in product((LAPTOP, *OTHER_CLIENTS), cluster.at.bed.nodes):
        url = f"http://{node.address}:{HTTP_PORT}/api/auth/login"
        refused = cluster.at.bed.laptop.request("POST", url, wrong, source=source, X_Forwarded_For="9.9.9.9")
        assert refused.status == 401, refused.body
    seen = cluster.at.sql(
        "SELECT address, count(*) FROM audit_log WHERE action = 'auth.login' AND outcome <> 'success' GROUP BY 1"
    )
    assert sorted(seen.split()) == [f"{source}|3" for source in (LAPTOP, *OTHER_CLIENTS)]


def test_the_token_is_in_a_file_of_the_user_and_nowhere_else(cluster: Cluster) -> None:
    tokens = set()
    for node in cluster.at.bed.nodes:
        file = "/opt/aragora/.nomic/run/ray_token"
        assert node.run(f"stat -c %a {file}").output() == "600"
        token = node.read(file).strip()
        tokens.add(token)
        assert len(token) >= 32
        assert token not in node.run("cat /proc/[0-9]*/cmdline", user="root").stdout
        found = node.run(f"grep -rlF -- {token} /tmp/ray /opt/aragora --include=* --exclude-dir=.venv", user="root")
        assert found.stdout.split() == [file]
    assert len(tokens) == 1
    assert not any(token in cluster.printed for token in tokens)


def test_ray_takes_nothing_from_who_has_no_token(cluster: Cluster) -> None:
    asked = "from actors.cluster import asks_for_token; print(asks_for_token('10.77.0.10:6380'))"
    python = "RAY_AUTH_MODE=disabled /opt/aragora/current/.venv/bin/python -"
    assert cluster.at.bed.n2.run(python, given=asked).output() == "True"


def test_no_port_of_ray_client_and_the_dashboard_on_loopback(cluster: Cluster) -> None:
    listening = cluster.at.bed.n1.run("ss -ltnH", user="root").output()
    at = {line.split()[3] for line in listening.splitlines()}
    assert not any(one.endswith(":10001") for one in at)
    assert "127.0.0.1:8265" in at
    assert not any(one.endswith(":6379") for one in at)


def test_a_second_ray_up_changes_nothing(cluster: Cluster) -> None:
    before = {node.name: node.run(RAYS).output() for node in cluster.at.bed.nodes}
    again = cluster.at.up()
    assert again.status == 0, again.stdout[-2000:]
    assert "runs already" in again.stdout
    assert {node.name: node.run(RAYS).output() for node in cluster.at.bed.nodes} == before


def test_rays_own_commands_work_from_the_laptop_and_on_the_head(cluster: Cluster) -> None:
    assert "3 local.cluster.node" in cluster.at.bed.n1.run("ray status").output()
    told = cluster.at.typed("ray exec cluster.yaml 'ray status && aragora cluster status'")
    assert told.status == 0
    assert "3 local.cluster.node" in told.stdout
    assert told.stdout.count("ready") == 3


def test_a_node_with_another_secret_is_refused_by_name_and_comes_back_with_the_right_one(cluster: Cluster) -> None:
    n3 = cluster.at.bed.n3
    cluster.at.aragora(n3, "node stop").output()
    wrong = cluster.at.environment.replace("ARAGORA_JWT_SECRET=", "ARAGORA_JWT_SECRET=f00")
    n3.write(ENVIRONMENT, wrong)
    refused = cluster.at.aragora(n3, "node start --address 10.77.0.10")
    assert refused.status == 2
    (line,) = refused.stderr.strip().splitlines()
    assert "node n3" in line
    assert "ARAGORA_JWT_SECRET" in line
    assert "f00" not in line
    n3.write(ENVIRONMENT, cluster.at.environment)
    cluster.at.aragora(n3, "node start --address 10.77.0.10").output()
    cluster.at.await_ready(n3)


def test_a_node_that_is_drained_under_load_fails_nobody(cluster: Cluster) -> None:
    """The one that runs the executions of workflows, too."""
    n1 = cluster.at.bed.n1
    with ExecutionLoad(cluster.at, (n1,)) as executions:
        drained, other = runner_on_a_worker(cluster, executions)
        with Load(cluster.at, (n1, other)) as load:
            wait_until(lambda: len(load.accepted) >= 5, "debates run")
            cluster.at.aragora(n1, f"cluster drain {drained.address}").output()
            placed = {node["address"]: node for node in cluster.at.status(n1)}[drained.address]
            there = (placed["state"], placed["replicas"], placed["coordinators"], placed["agents"])
            assert there == ("draining", 0, 0, 0)
            assert not runs_executions(drained), "they moved before the node went"
            cluster.at.aragora(drained, "node stop").output()
            wait_until(lambda: "stopped" in states(cluster, drained), "the head knows that it was stopped")
        begun = len(executions.started)
        wait_until(lambda: len(executions.started) >= begun + 3, "executions go on elsewhere")
    assert load.failed == []
    assert load.refused == []
    all_completed(cluster, load.accepted)
    all_went_their_rounds(cluster, executions)
    cluster.at.aragora(drained, "node start --address 10.77.0.10").output()
    cluster.at.await_ready(drained)


def test_a_node_that_is_killed_under_load_loses_no_debate_and_no_execution(cluster: Cluster) -> None:
    n1 = cluster.at.bed.n1
    with ExecutionLoad(cluster.at, (n1,)) as executions:
        killed, other = runner_on_a_worker(cluster, executions)
        with Load(cluster.at, (n1, other)) as load:
            wait_until(lambda: len(load.accepted) >= 5, "debates run")
            killed.kill_processes()
            wait_until(lambda: "lost" in states(cluster, killed), "the head misses it")
            before = len(load.accepted)
            wait_until(lambda: len(load.accepted) >= before + 5, "debates are accepted again")
        begun = len(executions.started)
        wait_until(lambda: len(executions.started) >= begun + 3, "executions go on elsewhere")
    assert load.failed == []
    all_completed(cluster, load.accepted)
    all_went_their_rounds(cluster, executions)
    cluster.at.aragora(killed, "node start --address 10.77.0.10").output()
    cluster.at.await_ready(killed)


def test_ray_down_leaves_nothing(cluster: Cluster) -> None:
    down = cluster.at.down()
    assert down.status == 0
    assert "drained" in down.stdout
    for node in cluster.at.bed.nodes:
        # The head's launcher keeps a connection of ssh for 10 s after it has used it.
        wait_until(lambda node=node: left(node) == [], f"nothing of it runs on {node.name}")
        assert node.run("ls -d /tmp/aragora*").status != 0


def left(node: Host) -> list[str]:
    """What still runs there of Ray and of ours."""
    running = node.run(LEFT, user="root").stdout.splitlines()
    return [line for line in running if not re.search("first_process|bash|sshd", line)]


def states(cluster: Cluster, node: Host) -> set[str]:
    """What `aragora cluster status` on the head says of a node."""
    return {row["state"] for row in cluster.at.status(cluster.at.bed.n1) if row["address"] == node.address}


def opened(cluster: Cluster, node: Host) -> str:
    answer: Response = cluster.at.ask(node, "POST", "/api/debates", QUESTION)
    assert answer.status == 202, answer.body
    return str(answer.json["debate_id"])


def state(cluster: Cluster, node: Host, debate_id: str) -> str:
    return str(cluster.at.ask(node, "GET", f"/api/debates/{debate_id}").json["status"])


def all_completed(cluster: Cluster, debates: list[str]) -> None:
    for debate_id in debates:
        wait_until(
            lambda one=debate_id: state(cluster, cluster.at.bed.n1, one) == "completed",
            f"{debate_id} is completed",
            120.0,
        )


def runs_executions(node: Host) -> bool:
    """Whether the process that owns the executions of workflows is on that node."""
    return node.run("ps -eo args | grep '^ray::WorkflowRunner'").status == 0


def runner_on_a_worker(cluster: Cluster, executions: ExecutionLoad) -> tuple[Host, Host]:
    """The worker that runs the executions, and the other one. Where the head does, its process is killed until Ray
    places it elsewhere: that is a fault among others."""
    n1, n2, n3 = cluster.at.bed.nodes
    for _ in range(10):
        begun = len(executions.started)
        wait_until(lambda begun=begun: len(executions.started) > begun, "executions are taken")
        for here, other in ((n2, n3), (n3, n2)):
            if runs_executions(here):
                return here, other
        n1.run("pkill -9 -f '^ray::WorkflowRunner'")
    raise AssertionError("the runner of workflows is always on the head")


def all_went_their_rounds(cluster: Cluster, executions: ExecutionLoad) -> None:
    """Every execution that was started ended, and what was refused meanwhile was to be sent again."""
    assert {told.split(":")[1].split()[0] for told in executions.refused} <= {"503"}, executions.refused
    for execution_id in executions.started:
        path = f"/api/workflow-executions/{execution_id}"

        def ended(path: str = path) -> bool:
            return bool(cluster.at.ask(cluster.at.bed.n1, "GET", path).json["status"] == "completed")

        wait_until(ended, f"{execution_id} is completed", 120.0)
        events = cluster.at.ask(cluster.at.bed.n1, "GET", f"{path}/events?limit=1000").json["events"]
        asked = [one for one in events if one["type"] == "step_completed" and one["data"]["run"].endswith("/ask")]
        assert len(asked) == ROUNDS, execution_id
