"""What operators install is what the tools accept, and what the runbook promises."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest
import yaml
from pre_commit.clientlib import load_config

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
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(ROOT / "deploy/systemd/aragora.service")
    for section, lines in RUNBOOK_UNIT.items():
        assert lines.items() <= dict(unit[section]).items()
    from aragora.config.settings import Settings

    assert int(unit["Service"]["TimeoutStopSec"]) > Settings().drain_timeout_s


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
    assert len(inside) == 6
    assert not any("proxy_set_header" in block for block in inside)


def _directives() -> str:
    text = (ROOT / "deploy/nginx/aragora.conf").read_text()
    return "\n".join(line.split("#")[0].rstrip() for line in text.splitlines())


def test_the_hooks_are_local_and_run_from_the_environment() -> None:
    config = load_config(str(ROOT / ".pre-commit-config.yaml"))
    assert {repo["repo"] for repo in config["repos"]} == {"local"}
    assert all(hook["entry"].startswith(".venv/bin/") for repo in config["repos"] for hook in repo["hooks"])


@pytest.mark.slow
def test_the_cluster_file_is_accepted_by_rays_own_loader() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = prepare_config(yaml.safe_load((ROOT / "cluster.yaml").read_text()))
    validate_config(config)
    (node,) = config["available_node_types"].values()
    assert node["min_workers"] == len(config["provider"]["worker_ips"]) == config["max_workers"]


def test_every_node_of_the_cluster_gets_its_settings_before_ray_starts() -> None:
    config = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    for commands in (config["head_start_ray_commands"], config["worker_start_ray_commands"]):
        for command in commands:
            if "ray start" in command or "aragora" in command.replace("/opt/aragora", ""):
                assert ". ./.env" in command
    assert "**/.env" in config["rsync_exclude"]
