"""What keeps a server from starting: told in one line each, with exit code 2, before anything runs."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import psutil
import pytest
from worlds.live_server import LiveServer, command, environment, free_port

pytestmark = pytest.mark.slow


def refused(data_dir: Path, http_port: int, ws_port: int, **variables: str) -> list[str]:
    """The lines a server says that must not start. Fails where it starts, or leaves a process."""
    process = subprocess.Popen(
        command(http_port, ws_port),
        env=environment(data_dir, **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd="/",
        start_new_session=True,
    )
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 2, said
    assert not session_of(process.pid), said
    return said.splitlines()


def session_of(leader: int) -> list[psutil.Process]:
    """What still runs of the session that this process led."""
    left = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == leader:
                left.append(process)
        except ProcessLookupError:
            continue
    return left


@pytest.mark.parametrize("taken", ["http", "websocket"])
def test_a_port_in_use(data_dir: Path, taken: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ports = (port, free_port()) if taken == "http" else (free_port(), port)

        (line,) = refused(data_dir, *ports)

    assert line.startswith(f"error: port {port} is in use")


def test_a_data_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    data_dir = tmp_path / "file" / "data"

    (line,) = refused(data_dir, free_port(), free_port())

    assert line.startswith(f"error: the data directory {data_dir} cannot be written")


def test_production_without_its_secrets_names_each_of_them(data_dir: Path) -> None:
    lines = refused(data_dir, free_port(), free_port(), ARAGORA_ENV="production")

    assert lines
    assert all(line.startswith("error: ARAGORA_") for line in lines), lines
    assert any("ARAGORA_JWT_SECRET" in line for line in lines)


def test_a_wrong_value_names_the_variable_and_what_is_allowed(data_dir: Path) -> None:
    (line,) = refused(data_dir, free_port(), free_port(), ARAGORA_STUB_AGENTS="many")

    assert "ARAGORA_STUB_AGENTS" in line


def test_a_second_server_on_the_same_data(server: LiveServer) -> None:
    (line,) = refused(server.data_dir, free_port(), free_port())

    assert line.startswith(f"error: another server (process {server.process.pid}) uses the data directory")
    assert server.get("/api/health/ready")["status"] == "ready", "the first is not disturbed"


def test_the_ports_of_another_server(server: LiveServer, data_dir: Path) -> None:
    lines = refused(data_dir, server.http_port, server.ws_port)

    assert len(lines) == 2
    assert all("is in use" in line for line in lines)
