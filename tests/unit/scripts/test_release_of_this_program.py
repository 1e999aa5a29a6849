"""A release of this very program that shares the packages of this environment: it runs, from where it stands."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from worlds.small_program import REPOSITORY, Node, node_with_this_program

VENV = REPOSITORY / ".venv"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (VENV / ".installed").exists(), reason="the tests do not run from `make install-dev`"),
]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    directory = tmp_path_factory.mktemp("node")
    if directory.stat().st_dev != VENV.stat().st_dev:
        pytest.skip("the temporary directory is on another file system: a gigabyte would be copied")
    before = places_named_in(VENV)
    yield node_with_this_program(directory)
    assert places_named_in(VENV) == before, "the environment that lent its packages is as it was"


@pytest.fixture(scope="module")
def release(node: Node) -> Path:
    return node.installed()


def places_named_in(venv: Path) -> dict[str, str]:
    files = [venv / "pyvenv.cfg", *(venv / "bin").iterdir(), *venv.glob("lib/python*/site-packages/*.pth")]
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()}


def test_aragora_and_ray_run_from_the_new_place(node: Node, release: Path) -> None:
    assert node.typed("aragora", "--version").stdout == "aragora 1.0.0\n"
    assert node.typed("ray", "--version").stdout.startswith("ray, version 2.")
    where = "import aragora, ray, ray._raylet as l, serve_app; print(aragora.__file__, ray.__file__, l.__file__, serve_app.__file__)"
    done = subprocess.run(
        [release / ".venv/bin/python", "-c", where], capture_output=True, text=True, timeout=120, check=True, cwd="/"
    )
    assert all(path.startswith(f"{release}/") for path in done.stdout.split()), done.stdout


def test_nothing_was_loaded_and_make_has_nothing_to_do(node: Node, release: Path) -> None:
    assert "Installing" not in node.install().stdout
    planned = subprocess.run(
        ["make", "--no-print-directory", "-n", "install"],  # this test may itself run under a `make`
        cwd=release,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert planned.stdout.strip() == ":"


def test_byte_code_of_the_release_is_that_of_its_sources(release: Path) -> None:
    """Whatever is imported now must find it compiled: with one process for each agent that is most of a start."""
    written = "import sys; sys.dont_write_bytecode = False; import aragora.cli.main, actors.runtime, actors.coordinator"
    before = {file: file.stat().st_ino for file in release.rglob("*.pyc")}
    assert any(file.parent.parent.name == "actors" for file in before)
    subprocess.run([release / ".venv/bin/python", "-c", written], timeout=120, check=True, cwd="/")
    assert {file: file.stat().st_ino for file in release.rglob("*.pyc")} == before


def test_no_program_of_the_release_names_the_lending_environment(release: Path) -> None:
    for file in (release / ".venv/bin").iterdir():
        if file.is_file() and not file.is_symlink():
            assert f"{VENV}/".encode() not in file.read_bytes(), file
