"""A running server shows its files to its own user only, and its ports to its own machine only."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import grpc
import psutil
import pytest
from worlds.live_server import LiveServer
from worlds.server_processes import processes_of

from actors.ray_environment import RUN_DIRECTORY
from aragora.private_files import OTHERS, open_to_others

pytestmark = pytest.mark.slow

LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")
REPLICA = "ray::ServeReplica"
"""Serve gives each replica one gRPC port on all addresses, and no way to say otherwise."""


def listening(server: LiveServer) -> Iterator[tuple[str, str, int]]:
    """(process, address, port) of all that the server's processes listen on."""
    for process in [psutil.Process(server.process.pid), *processes_of(server.data_dir)]:
        with suppress(psutil.NoSuchProcess):  # Ray ends idle workers at any moment
            for connection in process.net_connections(kind="inet"):
                if connection.status == psutil.CONN_LISTEN:
                    yield " ".join(process.cmdline())[:60], connection.laddr.ip, connection.laddr.port


def environment_of(server: LiveServer, name: str) -> str:
    for process in processes_of(server.data_dir):
        with suppress(psutil.NoSuchProcess):
            if (value := process.environ().get(name)) is not None:
                return value
    raise AssertionError(f"no process of the server has {name}")


def test_nobody_else_can_open_a_file_of_the_server(server: LiveServer, debate_id: str) -> None:
    assert server.get(f"/api/debates/{debate_id}")["status"] == "completed"
    assert list(open_to_others(server.data_dir)) == []
    names = {path.name for path in server.data_dir.rglob("*")}
    assert names >= {"users.db", "debates.db", "debates.db-wal", "server.log", "server.lock", "ray_token"}
    # Ray makes directories in it that are open to all, on purpose: the one above them is closed.
    run = Path(environment_of(server, RUN_DIRECTORY))
    assert not stat.S_IMODE(run.stat().st_mode) & OTHERS


def test_all_of_ray_listens_on_this_machine_only(server: LiveServer, debate_id: str) -> None:
    assert debate_id
    found = list(listening(server))
    assert len(found) > 10
    elsewhere = [(who, address, port) for who, address, port in found if address not in LOOPBACK]
    assert all(who.startswith(REPLICA) for who, _, _ in elsewhere), elsewhere


def test_the_port_that_listens_everywhere_wants_the_token(server: LiveServer) -> None:
    ports = [port for who, address, port in listening(server) if address not in LOOPBACK and who.startswith(REPLICA)]
    for port in ports:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = channel.unary_unary("/ray.serve.ASGIService/HandleRequest", lambda it: it, lambda it: it)
            with pytest.raises(grpc.RpcError) as refused:
                call(b"", timeout=30)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_the_start_says_who_the_operator_is_and_what_to_set_before_others_come(server: LiveServer) -> None:
    assert "whoever calls from this machine is the operator" in server.told()
    assert "set ARAGORA_API_TOKEN" in server.told()
