"""A GCS that died is started again as it was; another program stands for Ray's."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import psutil
import pytest
from worlds.waiting import wait_until

from actors.gcs_keeper import GcsKeeper
from actors.ray_node import NODE_OF, gcs_of, lives


@pytest.fixture
def gcs(tmp_path: Path) -> Path:
    file = tmp_path / "gcs_server"
    shutil.copy("/bin/sleep", file)
    return file


def started(gcs: Path, data_dir: Path, **environment: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([gcs, "300"], env={"PATH": os.environ["PATH"], NODE_OF: str(data_dir), **environment})
    wait_until(lambda: psutil.Process(process.pid).name() == "gcs_server", "it runs")
    return process


def test_it_is_started_again_with_the_same_command_and_environment(gcs: Path, tmp_path: Path) -> None:
    with started(gcs, tmp_path, RAY_REDIS_ADDRESS="10.0.0.5:6379") as first:
        keeper = GcsKeeper.of(tmp_path)
        assert keeper is not None
        assert not keeper.keep()
        environment = psutil.Process(first.pid).environ()
        first.kill()
        first.wait(30)
    assert keeper.keep()
    try:
        wait_until(lambda: gcs_of(tmp_path) is not None, "it runs again")
        again = gcs_of(tmp_path)
        assert again is not None
        assert (again.cmdline(), again.environ()) == ([str(gcs), "300"], environment)
        assert not keeper.keep()
    finally:
        keeper.process.kill()
    wait_until(lambda: not lives(keeper.process), "it has died")


def test_one_whose_state_died_with_it_is_not_kept(gcs: Path, tmp_path: Path) -> None:
    assert GcsKeeper.of(tmp_path) is None
    with started(gcs, tmp_path) as process:
        assert GcsKeeper.of(tmp_path) is None
        process.kill()
