"""A node is found and ended by what runs on it; programs of other names stand for Ray's."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from worlds.waiting import wait_until

from actors import ray_node
from actors.ray_environment import RUN_DIRECTORY
from actors.ray_node import GCS_AT, NODE_AT, NODE_OF, Place
from aragora.errors import Misconfigured

HEAD = "10.77.0.10:6380"


@contextmanager
def program(directory: Path, name: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program that does nothing, under the name of one of Ray's."""
    file = directory / name
    shutil.copy("/bin/sleep", file)
    with subprocess.Popen([file, "300"], env={"PATH": os.environ["PATH"], **environment}) as process:
        try:
            # Its name is there a moment before its environment.
            wait_until(lambda: runs(process.pid, name), f"{name} runs")
            yield process
        finally:
            process.kill()


def runs(pid: int, name: str) -> bool:
    process = psutil.Process(pid)
    return process.name() == name and bool(process.environ())


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a node's processes."""
    monkeypatch.setattr(ray_node, "DIRECTORY", tmp_path / "run")
    return {NODE_OF: str(tmp_path / "data"), GCS_AT: HEAD, NODE_AT: "10.77.0.11", RUN_DIRECTORY: str(tmp_path / "run")}


def test_a_node_is_found_by_its_raylet(tmp_path: Path, node: dict[str, str]) -> None:
    assert ray_node.running(tmp_path / "data") is None
    with program(tmp_path, "raylet", **node) as raylet:
        found = ray_node.running(tmp_path / "data")
        assert found is not None
        assert (found.address, found.gcs_address, found.head) == ("10.77.0.11", HEAD, False)
        assert (found.raylet.pid, found.lives) == (raylet.pid, True)
        raylet.kill()
        raylet.wait(30)
        assert not found.lives
    assert ray_node.running(tmp_path / "data") is None


def test_the_node_of_another_data_directory_is_another_node(tmp_path: Path, node: dict[str, str]) -> None:
    with program(tmp_path, "raylet", **node) as raylet:
        assert ray_node.running(tmp_path / "other") is None
        ray_node.stop(tmp_path / "other")
        assert raylet.poll() is None


def test_a_head_without_its_gcs_does_not_run(tmp_path: Path, node: dict[str, str]) -> None:
    node |= {NODE_AT: "10.77.0.10"}
    with program(tmp_path, "raylet", **node):
        assert ray_node.running(tmp_path / "data") is None
        with program(tmp_path, "gcs_server", **node):
            found = ray_node.running(tmp_path / "data")
            assert found is not None
            assert found.head


def test_a_head_whose_gcs_is_about_to_be_started_again_runs(tmp_path: Path, node: dict[str, str]) -> None:
    node |= {NODE_AT: "10.77.0.10"}
    with program(tmp_path, "raylet", **node), program(tmp_path, "gcs_server.sh", **node):
        assert ray_node.running(tmp_path / "data") is not None


def test_stopping_ends_all_of_the_node_and_its_directory_the_deaf_too(
    tmp_path: Path, node: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_node, "GRACE_S", 0.3)
    ray_node._make_directory()
    deaf = ["/bin/sh", "-c", "trap '' TERM; sleep 300 & wait; wait"]
    with program(tmp_path, "raylet", **node) as raylet, subprocess.Popen(deaf, env=node) as other:
        ray_node.stop(tmp_path / "data")
        assert not psutil.pid_exists(raylet.pid)
        assert not psutil.pid_exists(other.pid)
    assert not ray_node.DIRECTORY.exists()


def test_a_directory_that_is_not_the_users_own_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_node, "DIRECTORY", tmp_path / "run")
    ray_node._make_directory()
    ray_node._make_directory()
    assert ray_node.DIRECTORY.stat().st_mode & 0o777 == 0o700
    ray_node.DIRECTORY.rename(tmp_path / "elsewhere")
    ray_node.DIRECTORY.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Misconfigured, match="is not this user's own directory"):
        ray_node._make_directory()


def test_the_settings_of_a_node_are_taken_over_and_no_others(
    tmp_path: Path, node: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RAY_SERVE_ENABLE_HA_PROXY", *node):
        monkeypatch.delenv(name, raising=False)
    with program(tmp_path, "raylet", **node, RAY_SERVE_ENABLE_HA_PROXY="1", ARAGORA_LOG_LEVEL="DEBUG"):
        found = ray_node.running(tmp_path / "data")
        assert found is not None
        monkeypatch.setenv("RAY_SERVE_ENABLE_HA_PROXY", "0")
        ray_node.take_settings_of(found)
    assert os.environ["RAY_SERVE_ENABLE_HA_PROXY"] == "1"
    assert "ARAGORA_LOG_LEVEL" not in os.environ
    assert NODE_OF not in os.environ, "the command that acts on a node is no part of it"


def test_the_commands_of_head_and_worker(tmp_path: Path) -> None:
    head = Place(tmp_path, "10.77.0.10", HEAD, "ipv4@0.0.0.0:8080", tmp_path / "ray_bootstrap_config.yaml")
    worker = Place(tmp_path, "10.77.0.11", HEAD, "ipv4@0.0.0.0:8080")
    assert head.head
    assert not worker.head
    assert {"--head", "--port=6380", "--dashboard-host=127.0.0.1", "--node-ip-address=10.77.0.10"} <= {
        *ray_node._command(head)
    }
    assert f"--autoscaling-config={tmp_path}/ray_bootstrap_config.yaml" in ray_node._command(head)
    assert {f"--address={HEAD}", "--node-ip-address=10.77.0.11"} <= {*ray_node._command(worker)}
    assert not any("token" in part for part in ray_node._command(head) + ray_node._command(worker))


@pytest.mark.parametrize(("address", "gcs"), [("10.77.0.10", "10.77.0.10:6380"), ("fd00::10", "[fd00::10]:6380")])
def test_the_head_is_where_the_gcs_is_in_either_family(tmp_path: Path, address: str, gcs: str) -> None:
    assert Place(tmp_path, address, gcs, "").head
    assert not Place(tmp_path, f"{address}1", gcs, "").head


@pytest.mark.parametrize(
    ("printed", "reason"),
    [
        ("Traceback (most recent call last):\n  File x\n    y\nRuntimeError: Version mismatch: 3.11\n", "RuntimeError: Version mismatch: 3.11"),
        ("Local node IP: 10.0.0.1\n\n--------\n", "Local node IP: 10.0.0.1"),
        ("", "it printed nothing"),
    ],
)  # fmt: skip
def test_of_what_ray_prints_the_last_words_are_told(printed: str, reason: str) -> None:
    assert ray_node._reason(printed) == reason
