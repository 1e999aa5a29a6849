"""`aragora doctor --cluster`, typed on a node whose PostgreSQL and Redis are there."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from worlds.backends import fresh_database

from aragora.composition.cluster.joining import refuse_to_join
from aragora.config.settings import load_settings

pytestmark = pytest.mark.slow

SECRETS = {
    "ARAGORA_JWT_SECRET": "j" * 40,
    "ARAGORA_ENCRYPTION_KEY": "ab" * 32,
    "ARAGORA_RECEIPT_SIGNING_KEY": "5e" * 32,
    "ARAGORA_API_TOKEN": "t" * 40,
}


@pytest.fixture
def variables(postgres_url: str, redis_server: str, tmp_path: Path) -> dict[str, str]:
    return SECRETS | {
        "ARAGORA_DATA_DIR": str(tmp_path / "data"),
        "DATABASE_URL": asyncio.run(fresh_database(postgres_url)),
        "ARAGORA_REDIS_URL": redis_server,
    }


def doctor(variables: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [sys.executable, "-m", "aragora.cli", "doctor", "--cluster", "--url", "http://127.0.0.1:9", *options]
    environment = {**kept, **variables, "COLUMNS": "80"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def findings(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, str]]:
    return {finding["subject"]: finding for finding in json.loads(done.stdout)}


def test_a_node_of_an_installation_has_nothing_to_mend_about_its_identity(variables: dict[str, str]) -> None:
    before = findings(doctor(variables, "--json"))
    assert before["identity"]["state"] == "warning"
    refuse_to_join(load_settings(variables), head=True, tell=lambda _: None)
    found = findings(doctor(variables, "--json"))
    assert {subject: found[subject]["state"] for subject in ("identity", "cluster settings", "clock", "versions")} == {
        "identity": "ok",
        "cluster settings": "ok",
        "clock": "ok",
        "versions": "ok",
    }
    assert found["ARAGORA_REDIS_URL"]["state"] == "ok"
    assert found["node"]["told"] == "none runs here"


def test_a_node_with_another_secret_is_told_which_and_the_values_are_not(variables: dict[str, str]) -> None:
    refuse_to_join(load_settings(variables), head=True, tell=lambda _: None)
    done = doctor({**variables, "ARAGORA_JWT_SECRET": "hunter2-" * 5}, "--json")
    assert done.returncode == 2
    assert findings(done)["identity"]["told"].startswith("ARAGORA_JWT_SECRET is not that of the other nodes")
    assert "hunter2" not in done.stdout + done.stderr


def test_without_its_settings_a_node_is_told_each(variables: dict[str, str]) -> None:
    done = doctor({"ARAGORA_DATA_DIR": variables["ARAGORA_DATA_DIR"]})
    assert done.returncode == 2
    told = done.stdout.replace("\n", " ")
    assert all(name in told for name in (*SECRETS, "DATABASE_URL"))
    assert done.stderr == ""


def test_postgresql_that_is_away_is_told_once_for_each_look(variables: dict[str, str]) -> None:
    done = doctor({**variables, "DATABASE_URL": "postgresql://me:hunter2@127.0.0.1:9/x"}, "--json")
    found = findings(done)
    for subject in ("store", "identity", "clock"):
        assert (found[subject]["state"], found[subject]["told"]) == ("fault", "nothing listens at 127.0.0.1:9")
    assert "hunter2" not in done.stdout + done.stderr
