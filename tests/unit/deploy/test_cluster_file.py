"""cluster.yaml as `ray up` reads it, and its commands as the shell of a node runs them."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private import commands
from ray.autoscaler._private.util import hash_runtime_conf, prepare_config, validate_config, with_envs
from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig
from worlds.small_program import Node, node_with_small_program

ROOT = Path(__file__).parents[3]
INCOMING = "/opt/aragora/incoming/"
NO_BUSINESS_OF_A_NODE = {
    ".ci", ".gitignore", ".pre-commit-config.yaml", "CHANGELOG.md", "LICENSE", "README.md", "benchmarks",
    "cluster.yaml", "docs", "pyproject.toml", "requirements-dev.lock", "tests",
}  # fmt: skip


@pytest.fixture
def config() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    return loaded


def test_rays_own_loader_accepts_it(config: dict[str, Any]) -> None:
    prepared = prepare_config(config)
    validate_config(prepared)
    assert AutoscalingConfig(prepared, skip_content_hash=True).get_max_num_worker_nodes() == 2


@pytest.mark.parametrize("count", [1, 3, 50])
def test_only_the_addresses_are_edited_for_another_number_of_workers(config: dict[str, Any], count: int) -> None:
    config["provider"]["worker_ips"] = [f"10.0.0.{number}" for number in range(11, 11 + count)]
    prepared = prepare_config(config)
    validate_config(prepared)
    (node,) = prepared["available_node_types"].values()
    assert node["min_workers"] == node["max_workers"] == count


def test_the_head_gets_a_key_for_the_workers(config: dict[str, Any]) -> None:
    assert config["auth"]["ssh_private_key"].startswith("~/.ssh/")


def test_ray_finds_every_part_that_it_is_to_copy(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    hashed, _ = hash_runtime_conf(config["file_mounts"], None, config)
    assert hashed


def test_the_scripts_are_copied_last(config: dict[str, Any]) -> None:
    """They say that the copying came to its end (`release.incoming`)."""
    assert list(config["file_mounts"])[-1] == f"{INCOMING}scripts"


def test_all_of_the_program_travels_to_the_nodes_and_nothing_else(config: dict[str, Any]) -> None:
    parts = {place.removeprefix(INCOMING) for place in config["file_mounts"]}
    assert parts == set(config["file_mounts"].values()), "each to its own place"
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert {name.split("/")[0] for name in tracked} - NO_BUSINESS_OF_A_NODE == parts
    for name in tracked:
        if name.split("/")[0] in parts:
            steps = [name, *(f"{parent}/" for parent in Path(name).parents if str(parent) != ".")]
            assert not [pattern for pattern in config["rsync_exclude"] for step in steps if excludes(pattern, step)], (
                name
            )


@pytest.mark.parametrize(
    "name",
    ["x/users.db", "x/debates.db-wal", "x/usage.db-shm", "x/keys/receipt_ed25519.pem", "x/keys/encryption_key",
     "x/jwt_secret", "x/run/ray_token", "x/logs/server.log", "x/backups/core.db", "x/.nomic/users.db", "x/.env",
     "x/__pycache__/y.pyc"],
)  # fmt: skip
def test_no_part_of_a_data_directory_travels_to_the_nodes(config: dict[str, Any], name: str) -> None:
    steps = [name, *(f"{parent}/" for parent in Path(name).parents if str(parent) != ".")]
    assert any(excludes(pattern, step) for pattern in config["rsync_exclude"] for step in steps)


@pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not here")
def test_rsync_itself_leaves_a_data_directory_behind(config: dict[str, Any], tmp_path: Path) -> None:
    for name in ("run.py", "run/ray_token", "keys/k.pem", "a/b/.env", "a/jwt_secret", "a/x.db-wal", "a/__pycache__/p"):
        file = tmp_path / "part" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    excluded = [argument for pattern in config["rsync_exclude"] for argument in ("--exclude", pattern)]
    command = ["rsync", "-avz", *excluded, f"{tmp_path}/part/", f"{tmp_path}/node/"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert [path.name for path in (tmp_path / "node").rglob("*") if path.is_file()] == ["run.py"]


def test_ray_does_not_warn_that_it_misses_its_own_commands(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    warned: list[str] = []
    monkeypatch.setattr(commands.cli_logger, "warning", lambda text, *_: warned.append(text))
    commands.warn_about_bad_start_command(config["head_start_ray_commands"])
    assert warned == []


class TestCommandsOnANode:
    """Each command as the launcher types it, with /opt/aragora elsewhere. The small program prints what is asked."""

    @pytest.fixture
    def node(self, tmp_path: Path) -> Node:
        return node_with_small_program(tmp_path)

    def test_setup_installs_and_every_start_command_runs_aragora(self, config: dict[str, Any], node: Node) -> None:
        (node.root / ".env").write_text("")
        printed = [typed(node, command) for command in config["setup_commands"]]
        assert "runs release 1.0.0-" in printed[0].stdout
        asked = [
            line.removeprefix(f"{node.current()} ")
            for command in (*config["head_start_ray_commands"], *config["worker_start_ray_commands"])
            for line in typed(node, command).stdout.splitlines()
            if line.startswith(f"{node.current()} ")
        ]
        assert asked == ["node start --head", "cluster deploy --allow-missing", "node start --address 10.0.0.10"]

    @pytest.mark.parametrize("commands", ["head_start_ray_commands", "worker_start_ray_commands"])
    def test_a_node_whose_setup_ray_left_out_is_installed_by_its_start(
        self, config: dict[str, Any], node: Node, commands: str
    ) -> None:
        typed(node, config[commands][0])
        (node.root / ".env").touch()
        assert typed(node, config[commands][0]).stdout == "", "once"
        assert typed(node, config[commands][1]).stdout.startswith(str(node.current()))

    def test_an_empty_disk_is_told_with_the_way_to_set_it_up(self, config: dict[str, Any], node: Node) -> None:
        shutil.rmtree(node.root)
        done = typed(node, config["worker_start_ray_commands"][0])
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"aragora: {platform.node()}: nothing is installed in")
        assert f"remove /tmp/ray/cluster-{config['cluster_name']}.state where you typed ray up" in line

    def test_an_installation_that_fails_is_no_node_without_a_word(self, config: dict[str, Any], node: Node) -> None:
        node.orders("fail").touch()
        done = typed(node, config["worker_start_ray_commands"][0])
        assert done.returncode == 1
        assert "the packages were not installed: ERROR: no way to the registry" in done.stderr


def typed(node: Node, command: str) -> subprocess.CompletedProcess[str]:
    (prefixed,) = with_envs([command.replace("/opt/aragora", str(node.root))], {"RAY_HEAD_IP": "10.0.0.10"})
    shell = ["bash", "-c", f"export PYTHONWARNINGS=ignore && ({prefixed})"]
    return subprocess.run(
        shell, capture_output=True, text=True, timeout=300, check=False, env=node.environment(LANG=os.environ.get("LANG", "C"))
    )  # fmt: skip


def excludes(pattern: str, path: str) -> bool:
    """As rsync does: a slash at the end means directories only, a pattern without another means any last name."""
    if pattern.endswith("/") != path.endswith("/") and pattern.endswith("/"):
        return False
    wanted, given = pattern.rstrip("/").removeprefix("**/"), path.rstrip("/")
    return fnmatch(given.rsplit("/", 1)[-1], wanted)
