"""Which release a process runs, and what Ray is told of it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from actors import release
from actors.ray_node import GCS_AT
from actors.release import running_release, runtime_env


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This program, as if it lay in a directory of releases."""
    directory = tmp_path / "releases/1.0.0-abc"
    python_of(directory, directory.name)
    monkeypatch.setattr(release, "__file__", str(directory / "actors/release.py"))
    return directory


def python_of(release: Path, name: str) -> Path:
    """The release gets a Python that says of which release it is, and what it is called with."""
    python = release / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "{name} with $*"\n')
    python.chmod(0o755)
    return release


def runs(installed: Path, said: dict[str, Any] | None = None) -> str:
    """What runs where Ray begins a process, as Ray does it."""
    executable = (said or runtime_env())["runtime_env"]["py_executable"]
    command = f"exec {executable} default_worker.py --a 'b c'"
    return subprocess.run(
        ["bash", "-c", command], cwd=installed, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_in_a_checkout_there_is_no_release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GCS_AT, "10.0.0.1:6380")
    assert running_release() is None
    assert runtime_env() == {}


def test_in_a_cluster_processes_run_the_release_of_who_begins_them(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(GCS_AT, "10.0.0.1:6380")
    assert running_release() == installed
    assert runs(installed) == "1.0.0-abc with default_worker.py --a b c"


def test_where_that_release_is_not_installed_they_run_the_current_one(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(GCS_AT, "10.0.0.1:6380")
    said = runtime_env()
    older = python_of(installed.with_name("0.9.0-def"), "0.9.0-def")
    (installed.parents[1] / "current").symlink_to(older)
    (installed / ".venv/bin/python").unlink()
    assert runs(installed, said) == "0.9.0-def with default_worker.py --a b c"


def test_a_link_to_the_release_is_not_what_is_named(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "current").symlink_to(installed)
    monkeypatch.setenv(GCS_AT, "10.0.0.1:6380")
    monkeypatch.setattr(release, "__file__", str(tmp_path / "current/actors/release.py"))
    assert f"{installed}/.venv/bin/python" in runtime_env()["runtime_env"]["py_executable"]


def test_on_one_machine_ray_has_no_other_release(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(GCS_AT, raising=False)
    assert running_release() == installed
    assert runtime_env() == {}
