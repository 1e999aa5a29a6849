"""`aragora node stop`: beside `aragora node run`, and beside one that is still at its start. Ray is not started."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from actors import ray_node
from actors.ray_node import RunningNode
from aragora.composition.cluster import node
from aragora.config.settings import Settings

HOLDS = """
import sys, time
from pathlib import Path
from aragora.storage.serving import held
with held(Path(sys.argv[1])) as holder:
    assert holder is None
    print("held", flush=True)
    time.sleep(600)
"""


@dataclass
class Node:
    """What runs here: `ray` is whether Ray does."""

    settings: Settings
    ray: bool
    said: list[str]

    def stop(self) -> None:
        node.stop(self.settings, self.said.append)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Node:
    here = Node(Settings(data_dir=tmp_path), ray=True, said=[])
    runs = RunningNode("10.77.0.12", "10.77.0.10:6380", psutil.Process())

    def stop(_: Path) -> None:
        here.ray = False

    monkeypatch.setattr(ray_node, "running", lambda _: runs if here.ray else None)
    monkeypatch.setattr(ray_node, "stop", stop)
    return here


@pytest.fixture
def starting(here: Node) -> Iterator[subprocess.Popen[str]]:
    """An `aragora node run` that has begun its Ray and does not look out for signals yet."""
    lock = node._lock_file(here.settings, node.SUPERVISOR_LOCK)
    process = subprocess.Popen([sys.executable, "-c", HOLDS, str(lock)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_without_a_supervisor_it_ends_what_runs(here: Node) -> None:
    here.stop()
    assert not here.ray
    assert "(10.77.0.12) has stopped" in here.said[0]


def test_where_nothing_runs_it_says_so(here: Node) -> None:
    here.ray = False
    here.stop()
    assert "does not run" in here.said[0]


def test_a_supervisor_that_was_still_starting_leaves_no_ray_behind(here: Node, starting: subprocess.Popen[str]) -> None:
    here.stop()
    assert starting.poll() is not None
    assert not here.ray
    assert "(10.77.0.12) has stopped" in here.said[0]
