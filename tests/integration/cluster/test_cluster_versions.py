"""A running cluster's versions, asked of a real head before a node joins."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

import pytest
from worlds.waiting import WAIT_S

from aragora.cluster.versions import Versions
from aragora.composition.cluster.versions import versions_at, versions_here
from aragora.errors import Misconfigured, Unavailable

pytestmark = pytest.mark.slow

TOKEN = "ab" * 32
HEAD = """
import sys, ray
context = ray.init(_temp_dir=sys.argv[1], include_dashboard=False, num_cpus=1, log_to_driver=False)
print(context.address_info["gcs_address"], flush=True)
sys.stdin.read()
ray.shutdown()
"""
VARIABLES = {
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": TOKEN,
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # all of it stays on this machine
    "RAY_USAGE_STATS_ENABLED": "0",
}


@contextmanager
def running_head() -> Iterator[str]:
    """The address of the GCS of a head of the test's own, which asks for `TOKEN`."""
    directory = tempfile.mkdtemp(prefix="aragora-v-", dir="/tmp")  # Ray's socket paths must be short
    head = subprocess.Popen(
        [sys.executable, "-c", HEAD, directory],
        env={**os.environ, **VARIABLES},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert head.stdin is not None
    assert head.stdout is not None
    try:
        address = head.stdout.readline().strip()
        assert address, "Ray did not start"
        yield address
    finally:
        head.stdin.close()
        try:
            head.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(head.pid, signal.SIGKILL)
            head.wait(WAIT_S)
        head.stdout.close()
        shutil.rmtree(directory, ignore_errors=True)


def test_a_head_tells_its_versions_to_who_has_the_token_and_to_nobody_else() -> None:
    with running_head() as address:
        assert versions_at(address, {**os.environ, "RAY_AUTH_TOKEN": TOKEN}) == versions_here()
        with pytest.raises(Misconfigured, match=f"{address} refuses this node's Ray token") as refused:
            versions_at(address, {**os.environ, "RAY_AUTH_TOKEN": "cd" * 32})
        assert "cd" * 32 not in refused.value.message


def test_the_own_versions_are_those_that_ray_compares() -> None:
    assert versions_here() == Versions(platform.python_version(), version("ray"))


@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "127.0.0.1", "nobody.invalid:6380"])
def test_where_no_head_is_one_line_says_so(address: str) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        at = address.format(port=nobody.getsockname()[1])
        with pytest.raises(Unavailable, match=f"no head answers at {at} .*start the head first") as away:
            versions_at(at, os.environ)
    assert "\n" not in away.value.message


def test_what_listens_there_and_is_no_head_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aragora.composition.cluster.versions.ASK_S", 3.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        at = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Unavailable, match=f"no head answers at {at} .it gave no answer within 3 s"):
            versions_at(at, os.environ)
