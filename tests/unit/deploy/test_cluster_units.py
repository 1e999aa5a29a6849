"""The systemd units of a cluster's nodes: what systemd says of them, and how they end and start."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from actors.ray_node import GRACE_S
from aragora.composition.service import DRAIN_GRACE_S, JOBS_STOP_S
from aragora.config.legacy import DATA_DIR
from aragora.config.settings import Settings

ROOT = Path(__file__).parents[3]
UNITS = ("aragora-head.service", "aragora-worker@.service")
SERVER = "aragora.service"
each_unit = pytest.mark.parametrize("name", UNITS)


def service(name: str) -> dict[str, str]:
    return dict(unit(name)["Service"])


def unit(name: str) -> configparser.ConfigParser:
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment, method-assign]
    parsed.read(ROOT / "deploy/systemd" / name)
    return parsed


def test_each_runs_its_node_by_the_launcher_that_cluster_yaml_installs() -> None:
    assert service(UNITS[0])["ExecStart"] == "/opt/aragora/bin/aragora node run --head"
    assert service(UNITS[1])["ExecStart"] == "/opt/aragora/bin/aragora node run --address %i"
    user = yaml.safe_load((ROOT / "cluster.yaml").read_text())["auth"]["ssh_user"]
    assert {service(name)["User"] for name in UNITS} == {user}, "the files of a node belong to one user"


def test_they_differ_in_what_they_run_alone() -> None:
    head, worker = map(service, UNITS)
    assert {name for name in head.keys() | worker.keys() if head.get(name) != worker.get(name)} == {"ExecStart"}


@each_unit
def test_a_drain_is_never_cut_short(name: str) -> None:
    ends_of_ray = 2 * 2 * GRACE_S  # the raylet, then the others: asked, then killed
    longest = Settings().drain_timeout_s + DRAIN_GRACE_S + JOBS_STOP_S + ends_of_ray
    assert int(service(name)["TimeoutStopSec"]) > longest
    assert service(name)["KillMode"] == "mixed", "the node's own process drains before the others are ended"


@each_unit
def test_a_node_comes_back_unless_it_was_stopped_or_cannot_run(name: str) -> None:
    assert service(name)["Restart"] == "on-failure", "`ray down` leaves nothing: an end with 0 is no failure"
    assert service(name)["RestartPreventExitStatus"] == "2"


@each_unit
def test_a_node_and_a_server_of_one_machine_do_not_meet(name: str) -> None:
    assert unit(name)["Unit"]["Conflicts"] == SERVER


@each_unit
def test_it_is_guarded_as_the_server_is_but_for_what_shells_share_with_it(name: str) -> None:
    server, node = service(SERVER), service(name)
    for setting in ("NoNewPrivileges", "CapabilityBoundingSet", "ProtectSystem", "UMask", "LimitCORE", "LimitNOFILE",
                    "SystemCallFilter", "RestrictAddressFamilies", "ProtectProc", "PrivateDevices"):  # fmt: skip
        assert node[setting] == server[setting], setting
    assert node["ReadWritePaths"] == f"-/opt/aragora/{DATA_DIR} /tmp"
    assert server.keys() - node.keys() == {"Environment", "EnvironmentFile", "PrivateTmp", "RemoveIPC"}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
@pytest.mark.parametrize(
    "name", ["aragora-head.service", "aragora-worker@.service", "aragora-worker@10.0.0.10.service"]
)
def test_systemd_knows_every_line_and_finds_the_unit_well_guarded(tmp_path: Path, name: str) -> None:
    text = (ROOT / "deploy/systemd" / re.sub("@.+[.]service", "@.service", name)).read_text()
    own = tmp_path / name  # `verify` looks for the programs and the user
    own.write_text(text.replace("/opt/aragora/bin/aragora", "/bin/true").replace("User=aragora", "User=daemon"))
    verified = subprocess.run(
        ["systemd-analyze", "verify", own], capture_output=True, text=True, timeout=60, check=False
    )
    assert "aragora" not in verified.stderr, verified.stderr
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", own],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert rated.returncode == 0, rated.stdout[-400:] + rated.stderr
