"""A release on its way to a node, and its installation there. Ray is not started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ray import cloudpickle

from aragora.composition.cluster.releasing import installer, pack

INSTALLS = """
import pathlib, shutil, sys
root = pathlib.Path(sys.argv[1])
shutil.copytree(root / "incoming", root / "releases/{name}")
"""
REFUSES = "import sys; sys.exit('n2: the disk is full: make room')"


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return made(tmp_path / "head/releases/1-abc", INSTALLS.format(name="1-abc"))


def made(release: Path, install_release: str) -> Path:
    for name, text in {
        "scripts/install_release.py": install_release,
        "aragora/__init__.py": '__version__ = "1"\n',
        "aragora/__pycache__/x.pyc": "",
        ".venv/bin/python": "",
        ".env": "SECRET=1",
    }.items():
        (release / name).parent.mkdir(parents=True, exist_ok=True)
        (release / name).write_text(text)
    return release


def on_a_node(release: Path, root: Path) -> str:
    """What a node at `root` says, as it gets the release of the head."""
    install = cloudpickle.loads(cloudpickle.dumps(installer()))
    said: str = install(str(root / "releases" / release.name), pack(release))
    return said


def test_a_node_without_the_release_has_it_afterwards(release: Path, tmp_path: Path) -> None:
    root = tmp_path / "node"
    (root / "incoming/aragora").mkdir(parents=True)
    (root / "incoming/aragora/of_an_older_release.py").touch()
    assert on_a_node(release, root) == ""
    there = root / "releases/1-abc"
    found = sorted(str(file.relative_to(there)) for file in there.rglob("*") if file.is_file())
    assert found == ["aragora/__init__.py", "scripts/install_release.py"]


def test_a_node_that_runs_the_release_is_left_alone(release: Path, tmp_path: Path) -> None:
    root = tmp_path / "node"
    (root / "releases/1-abc").mkdir(parents=True)
    (root / "current").symlink_to("releases/1-abc")
    assert on_a_node(release, root) == ""
    assert not (root / "incoming").exists()


def test_what_the_installation_says_comes_back_in_one_line(tmp_path: Path) -> None:
    release = made(tmp_path / "head/releases/1-abc", REFUSES)
    assert on_a_node(release, tmp_path / "node") == "n2: the disk is full: make room"


def test_files_that_make_another_release_are_told(tmp_path: Path) -> None:
    release = made(tmp_path / "head/releases/1-abc", INSTALLS.format(name="1-def"))
    assert on_a_node(release, tmp_path / "node") == "it has another name there"


def test_it_travels_without_this_program_whose_older_release_may_not_have_it(tmp_path: Path) -> None:
    (tmp_path / "sent").write_bytes(cloudpickle.dumps(installer()))
    arrives = (
        "import sys; sys.modules['aragora'] = None; from ray import cloudpickle; "
        "print(cloudpickle.loads(open(sys.argv[1], 'rb').read()).__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", arrives, str(tmp_path / "sent")],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.stdout.strip(), done.returncode) == ("install", 0), done.stderr
