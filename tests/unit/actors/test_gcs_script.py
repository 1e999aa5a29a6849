"""`gcs_server.sh` keeps the GCS running until its node is told to end; another program stands for Ray's."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from worlds.waiting import wait_until

SCRIPT = Path(__file__).parents[3] / "actors/gcs_server.sh"
PASSWORD = "s3cret"
SAYS_ITS_PASSWORD = """#!/bin/sh
echo "$FLAGS_redis_password" >"$2"
exec sleep 300
"""


@contextmanager
def kept(program: Path, *arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """The script with what it runs; both have ended afterwards."""
    environment = {"PATH": "/usr/bin:/bin", "ARAGORA_GCS_BINARY": str(program), **variables}
    with subprocess.Popen([SCRIPT, *arguments], env=environment, stderr=subprocess.PIPE, text=True) as script:
        try:
            yield script
        finally:
            left = [] if script.poll() is not None else psutil.Process(script.pid).children()
            script.kill()
            for process in left:
                process.kill()


def child(script: subprocess.Popen[str]) -> psutil.Process | None:
    """What the script runs now, once that is the program."""
    children = psutil.Process(script.pid).children()
    return next((one for one in children if one.cmdline() and one.name() != SCRIPT.name), None)


def runs(script: subprocess.Popen[str]) -> psutil.Process:
    found = wait_until(lambda: child(script), "the GCS runs")
    assert found is not None
    return found


@pytest.fixture
def forever(tmp_path: Path) -> Path:
    """A program that takes every argument."""
    file = tmp_path / "forever"
    file.write_text(SAYS_ITS_PASSWORD)
    file.chmod(0o755)
    return file


def test_one_that_dies_is_started_again_with_the_same_command_and_environment(tmp_path: Path, forever: Path) -> None:
    told = tmp_path / "told"
    with kept(forever, "--port=6380", str(told), RAY_REDIS_PASSWORD=PASSWORD) as script:
        wait_until(lambda: told.exists() and told.read_text() == f"{PASSWORD}\n", "the GCS has its password")
        first = runs(script)
        assert not any(PASSWORD in part for part in first.cmdline())
        told.unlink()
        first.kill()
        wait_until(lambda: told.exists() and told.read_text() == f"{PASSWORD}\n", "the GCS runs again")
        assert runs(script).pid != first.pid


def test_the_one_that_runs_ends_with_the_script(tmp_path: Path, forever: Path) -> None:
    with kept(forever, "--port=6380", str(tmp_path / "told")) as script:
        wait_until((tmp_path / "told").exists, "the GCS runs")
        found = runs(script)
        script.send_signal(signal.SIGTERM)
        assert script.wait(30) is not None
        assert not found.is_running()


def test_one_that_is_told_to_end_is_not_started_again(tmp_path: Path, forever: Path) -> None:
    with kept(forever, "--port=6380", str(tmp_path / "told")) as script:
        wait_until((tmp_path / "told").exists, "the GCS runs")
        runs(script).terminate()
        assert script.wait(30) == 143
