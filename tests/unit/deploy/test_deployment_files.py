"""What operators install is what the tools accept, and what the runbook promises."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from pre_commit.clientlib import load_config

from aragora.config.legacy import DATA_DIR

ROOT = Path(__file__).parents[3]
RUNBOOK_UNIT = {
    "Unit": {"Description": "Aragora Multi-Agent Debate Server", "After": "network.target"},
    "Service": {
        "Type": "simple",
        "User": "aragora",
        "WorkingDirectory": "/opt/aragora",
        "Environment": "PYTHONPATH=/opt/aragora",
        "EnvironmentFile": "/opt/aragora/.env",
        "ExecStart": "/opt/aragora/venv/bin/aragora serve --api-port 8080 --ws-port 8765",
        "Restart": "always",
        "RestartSec": "5",
    },
    "Install": {"WantedBy": "multi-user.target"},
}


def test_the_unit_is_the_runbooks_and_waits_longer_than_a_drain() -> None:
    unit = _unit()
    for section, lines in RUNBOOK_UNIT.items():
        assert lines.items() <= dict(unit[section]).items()
    from aragora.config.settings import Settings

    assert int(unit["Service"]["TimeoutStopSec"]) > Settings().drain_timeout_s


def test_the_unit_leaves_the_server_no_more_than_it_needs() -> None:
    service = dict(_unit()["Service"])
    assert (
        service.items()
        >= {
            "NoNewPrivileges": "yes",
            "ProtectSystem": "strict",
            "PrivateTmp": "yes",
            "UMask": "0077",
            "CapabilityBoundingSet": "",
            "LimitCORE": "0",
            "RestartPreventExitStatus": "2",
        }.items()
    )
    assert f"-/opt/aragora/{DATA_DIR}" == service["ReadWritePaths"]
    assert {"AF_UNIX", "AF_INET", "AF_NETLINK"} <= set(service["RestrictAddressFamilies"].split())


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
def test_systemd_knows_every_line_of_the_unit_and_finds_it_well_guarded(tmp_path: Path) -> None:
    unit = (ROOT / "deploy/systemd/aragora.service").read_text()
    own = tmp_path / "aragora.service"  # `verify` looks for the programs and the user
    own.write_text(unit.replace("/opt/aragora/venv/bin/aragora", "/bin/true").replace("User=aragora", "User=daemon"))
    verified = subprocess.run(
        ["systemd-analyze", "verify", str(own)], capture_output=True, text=True, timeout=60, check=False
    )
    assert "aragora.service" not in verified.stderr, verified.stderr
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", str(own)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert rated.returncode == 0, rated.stdout[-400:] + rated.stderr


@pytest.mark.parametrize(
    "promise",
    [
        "ip_hash;",
        "proxy_http_version 1.1;",
        "proxy_set_header Upgrade $http_upgrade;",
        "proxy_set_header Host $host;",
        "proxy_read_timeout 300s;",
        "proxy_send_timeout 300s;",
        'proxy_set_header X-User-ID "";',
        'proxy_set_header X-User-Roles "";',
        'proxy_set_header X-Service-Token "";',
        'proxy_set_header Forwarded "";',
        "proxy_set_header X-Forwarded-For $remote_addr;",
    ],
)
def test_nginx_passes_websockets_and_no_claimed_identity(promise: str) -> None:
    assert promise in _directives()


def test_nginx_directives_end_and_blocks_close() -> None:
    depth = 0
    for line in _directives().splitlines():
        assert not line.strip() or re.search(r"[;{}]$", line.strip()), line
        depth += line.count("{") - line.count("}")
        assert depth >= 0
    assert depth == 0


def test_a_location_does_not_shed_the_headers_of_its_server() -> None:
    inside = re.findall(r"location [^{]*{([^}]*)}", _directives())
    assert len(inside) == 7
    assert not any("proxy_set_header" in block for block in inside)


def _unit() -> configparser.ConfigParser:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(ROOT / "deploy/systemd/aragora.service")
    return unit


def _directives() -> str:
    text = "".join(file.read_text() for file in sorted((ROOT / "deploy/nginx").glob("*.conf")))
    lines = "\n".join(line.split("#")[0].rstrip() for line in text.splitlines())
    return re.sub(r"'\s*\n\s*'", "", lines)  # one string on several lines


def test_the_hooks_are_local_and_run_from_the_environment() -> None:
    config = load_config(str(ROOT / ".pre-commit-config.yaml"))
    assert {repo["repo"] for repo in config["repos"]} == {"local"}
    assert all(hook["entry"].startswith(".venv/bin/") for repo in config["repos"] for hook in repo["hooks"])
