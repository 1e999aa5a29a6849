"""What the doctor finds out about a node of a cluster, without a cluster."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from actors.ray_node import NODE_OF
from aragora.cli import cluster_findings
from aragora.cli.findings import Finding, State
from aragora.cluster.token import token_variables
from aragora.config.settings import Settings
from aragora.errors import Unavailable

LISTEN = """
import socket, sys
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class Seen:
    address: str
    role: str
    state: str


@pytest.fixture(autouse=True)
def _no_ray_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, jwt_secret=SecretStr("j" * 40))


@contextmanager
def listener(data_dir: str) -> Iterator[int]:
    """The port on which a process listens that carries this data directory."""
    process = subprocess.Popen(
        [sys.executable, "-c", LISTEN],
        env={**os.environ, NODE_OF: data_dir},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        assert process.stdin is not None
        process.stdin.close()


def states(found: Sequence[Finding]) -> dict[str, State]:
    return {finding.subject: finding.state for finding in found}


def test_each_missing_setting_is_a_fault_with_its_remedy(settings: Settings) -> None:
    found = cluster_findings.needed(settings)
    assert len(found) == 4
    assert {finding.state for finding in found} == {State.FAULT}
    assert found[0].told == "DATABASE_URL is not set"
    assert found[0].mend.startswith("Name the PostgreSQL")


def test_a_port_of_this_node_is_told_from_one_of_another(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with listener(str(settings.data_dir)) as own, listener("/another") as foreign, listener("/third") as at_the_head:
        monkeypatch.setattr(cluster_findings, "SERVING_PORTS", (own, foreign))
        monkeypatch.setattr(cluster_findings, "HEADS_PORTS", (at_the_head,))
        found = list(cluster_findings.ports(settings))
    assert [finding.state for finding in found] == [State.OK, State.FAULT, State.WARNING]
    assert "this node's own" in found[0].told
    assert f"sport = :{foreign}" in found[1].mend
    assert "the head needs it" in found[2].told


def test_a_port_that_is_taken_on_one_address_only_is_not_free(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.3", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(cluster_findings, "SERVING_PORTS", (port,))
        monkeypatch.setattr(cluster_findings, "HEADS_PORTS", ())
        (found,) = cluster_findings.ports(settings)
    assert found.state is State.FAULT


@pytest.mark.parametrize(
    ("soft", "hard", "state"),
    [(1_024, 4_096, State.WARNING), (1_024, 65_536, State.OK), (1_024, -1, State.OK), (-1, -1, State.OK)],
)
def test_few_open_files_are_a_warning_where_the_start_cannot_raise_them(
    soft: int, hard: int, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    (found,) = cluster_findings.open_files()
    assert found.state is state
    assert (state is State.OK) == (found.mend == "")


@pytest.mark.parametrize(
    ("ahead_s", "state", "told"),
    [
        (0.0, State.OK, "0.0 s from"),
        (1.9, State.OK, "1.9 s from"),
        (2.0, State.WARNING, "2 s ahead of"),
        (-300.0, State.WARNING, "300 s behind"),
    ],
)
def test_a_clock_that_is_off_by_two_seconds_is_a_warning(ahead_s: float, state: State, told: str) -> None:
    found = cluster_findings.clock_of(ahead_s)
    assert found.state is state
    assert found.told.startswith(told)


def test_the_token_is_looked_at_and_never_shown(settings: Settings) -> None:
    (before,) = cluster_findings.token(settings)
    assert before.state is State.OK
    assert "not yet" in before.told
    file = Path(token_variables(settings, {})["RAY_AUTH_TOKEN_PATH"])
    value = file.read_text()
    (kept,) = cluster_findings.token(settings)
    file.chmod(0o644)
    (exposed,) = cluster_findings.token(settings)
    file.chmod(0o600)
    file.write_text("of an earlier .env")
    (stale,) = cluster_findings.token(settings)
    assert [found.state for found in (kept, exposed, stale)] == [State.OK, State.FAULT, State.FAULT]
    assert f"chmod 600 {file}" in exposed.mend
    assert "does not hold the token of these settings" in stale.told
    assert not any(value in str(found) for found in (before, kept, exposed, stale))


def test_the_operators_own_token_is_told_as_theirs(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "hunter2")
    (found,) = cluster_findings.token(settings)
    assert (found.state, "hunter2" in found.told) == (State.OK, False)


def test_the_nodes_are_told_as_ray_sees_them(settings: Settings) -> None:
    seen = (Seen("10.0.0.10", "head", "ready"), Seen("10.0.0.11", "worker", "lost"))
    found = cluster_findings.nodes(settings, lambda _: seen)
    assert states(found) == {"head 10.0.0.10": State.OK, "worker 10.0.0.11": State.WARNING}


def test_a_head_that_does_not_tell_is_a_fault(settings: Settings) -> None:
    def away(_settings: Settings) -> Sequence[Seen]:
        raise Unavailable("the cluster at 10.0.0.10:6380 does not answer: timed out")

    (found,) = cluster_findings.nodes(settings, away)
    assert found.state is State.FAULT
    assert found.mend


def test_a_node_that_does_not_run_has_versions_too() -> None:
    (found,) = cluster_findings.versions(None)
    assert found.told.startswith(f"Python {sys.version_info.major}.{sys.version_info.minor}.")
