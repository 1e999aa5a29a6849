"""`aragora` and `ray` as the shells of a node find and run them."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import pytest
from worlds.small_program import Node, node_with_small_program, running
from worlds.waiting import wait_until


@pytest.fixture
def node(tmp_path: Path) -> Node:
    node = node_with_small_program(tmp_path)
    node.installed()
    return node


def told(node: Node, *, program: str = "aragora", **environment: str) -> dict[str, str]:
    """What the program finds in its environment."""
    lines = node.typed(program, **environment).stdout.splitlines()[1:]
    return {name: value for name, _, value in (line.partition(" ") for line in lines)}


def test_it_runs_with_the_settings_of_the_node(node: Node) -> None:
    (node.root / ".env").write_text("# settings\nFROM_ENV='two words'\n")
    assert told(node) == {
        "FROM_ENV": "two words",
        "ARAGORA_DATA_DIR": f"{node.root}/.nomic",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": f"{node.root}/.nomic/run/ray_token",
        "RAY_USAGE_STATS_ENABLED": "0",
    }


def test_what_the_operator_says_stays(node: Node) -> None:
    settings = "ARAGORA_DATA_DIR=/data\nRAY_AUTH_MODE=disabled\nRAY_USAGE_STATS_ENABLED=1\n"
    (node.root / ".env").write_text(settings)
    assert told(node) == {
        "FROM_ENV": "",
        "ARAGORA_DATA_DIR": "/data",
        "RAY_AUTH_MODE": "disabled",
        "RAY_AUTH_TOKEN_PATH": "/data/run/ray_token",
        "RAY_USAGE_STATS_ENABLED": "1",
    }


def test_ray_up_does_not_turn_the_usage_report_on(node: Node) -> None:
    assert told(node, RAY_USAGE_STATS_ENABLED="1")["RAY_USAGE_STATS_ENABLED"] == "0"


def test_arguments_pass_as_they_are(node: Node) -> None:
    assert node.typed("aragora", "ask", "It's $5?", "").stdout.splitlines()[0] == f"{node.current()} ask It's $5? "


def test_a_node_without_a_release_says_how_to_get_one(node: Node) -> None:
    (node.root / "current").unlink()
    for program in ("aragora", "ray"):
        done = node.typed(program, "status")
        (line,) = done.stderr.splitlines()
        assert done.returncode == 1
        assert line == (
            f"aragora: {platform.node()}: no release is installed in {node.root}: type `ray up`, or python3 "
            f"{node.root}/incoming/scripts/install_release.py {node.root}"
        )


def test_a_node_without_settings_says_in_one_line_where_they_come_from(node: Node) -> None:
    """Over ssh with the address by which `ray up` knows it: the head shows the line, which has come from elsewhere."""
    done = node.typed("aragora", "node", "start", "--head", SSH_CONNECTION="10.0.0.1 5000 10.0.0.10 22")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"aragora: {platform.node()} (10.0.0.10): there is no {node.root}/.env: ")


def test_settings_may_come_from_the_environment_alone(node: Node) -> None:
    done = node.typed("aragora", "node", "start", "--head", DATABASE_URL="postgresql://db/aragora")
    assert done.stdout.splitlines()[0] == f"{node.current()} node start --head"


def test_a_bare_ray_stop_stops_this_node_where_it_is_a_worker(node: Node) -> None:
    assert node.typed("ray", "stop").stdout.splitlines()[0] == f"{node.current()} node stop"


def test_a_bare_ray_stop_stops_the_cluster_on_its_head(node: Node) -> None:
    """`ray down` types it there. The head is where Ray's GCS runs; a sleeping stand-in has its name."""
    gcs = node.current() / ".venv/gcs/gcs_server"
    gcs.parent.mkdir()
    shutil.copy2(shutil.which("sleep") or "", gcs)
    with running(gcs, "600") as head:
        assert wait_until(lambda: Path(f"/proc/{head.pid}/exe").readlink() == gcs)
        assert node.typed("ray", "stop").stdout.splitlines()[0] == f"{node.current()} cluster stop"


@pytest.mark.parametrize("arguments", [["stop", "--force"], ["status"], ["list", "nodes"]])
def test_all_else_is_rays_own(node: Node, arguments: list[str]) -> None:
    done = node.typed("ray", *arguments)
    assert done.stdout == f"ray of {node.current()}/aragora/__init__.py {' '.join(arguments)}\n"


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not here")
@pytest.mark.parametrize("own_file", [None, ".profile", ".bash_profile", ".bash_login"])
def test_the_shells_of_ray_exec_find_our_ray_first(node: Node, own_file: str | None) -> None:
    """As Ray's launcher calls it. A person's own start file stays as it is, but for one line."""
    if own_file is not None:
        (node.home / own_file).write_text("export MINE=1")
    for _ in range(2):
        node.installed()
    for file in node.home.glob(".*"):
        lines = file.read_text().splitlines()
        assert lines.count(f'export PATH={node.root}/bin:"$PATH"  # Aragora\'s programs') == 1, file
    command = ["bash", "--login", "-c", "-i", "source ~/.bashrc; (command -v ray; echo $MINE)"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=node.environment(), stdin=-3
    )
    assert done.stdout.split() == [f"{node.root}/bin/ray", *(["1"] if own_file else [])]


def test_a_start_file_that_is_a_link_stays_one_with_its_mode(node: Node) -> None:
    own = node.home / "dotfiles"
    own.write_text("export MINE=1\n")
    own.chmod(0o600)
    (node.home / ".profile").unlink()
    (node.home / ".profile").symlink_to(own)
    node.installed()
    assert (node.home / ".profile").is_symlink()
    assert "Aragora" in own.read_text()
    assert own.stat().st_mode & 0o777 == 0o600


def test_a_directory_with_spaces_will_do(tmp_path: Path) -> None:
    node = node_with_small_program(tmp_path / "a place")
    release = node.installed()
    assert node.typed("aragora", "serve").stdout.splitlines()[0] == f"{release} serve"
