"""What `ray start` is told beyond its options."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ray._private import services

from actors import ray_start_hook
from actors.gcs_storage import ADDRESS, PASSWORD


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command lines that Ray would start."""
    begun: list[list[str]] = []
    monkeypatch.setattr(services, "start_ray_process", lambda command, *_, **__: begun.append(command))
    for name in ("GCS_SERVER_EXECUTABLE", "start_gcs_server", "start_raylet"):
        monkeypatch.setattr(services, name, getattr(services, name))
    return begun


def start_gcs(password: str) -> None:
    services.start_gcs_server(
        "10.0.0.5:6379", "/tmp/logs", None, None, "session", redis_password=password, config={}, gcs_server_port=6380
    )


def test_the_password_of_redis_is_in_no_command_line(
    commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ADDRESS, "10.0.0.5:6379")
    monkeypatch.setenv(PASSWORD, "s3cret")
    monkeypatch.setenv(ray_start_hook.GCS_BINARY, "")
    params: Any = SimpleNamespace(ray_client_server_port=10001)
    ray_start_hook.prepare(params, head=True)
    assert params.redis_password == "s3cret"
    start_gcs(params.redis_password)
    ((program, *arguments),) = commands
    assert program == str(ray_start_hook.GCS_SCRIPT)
    assert "--redis_address=10.0.0.5" in arguments
    assert not any("s3cret" in part for part in arguments)


def test_a_redis_without_a_password_is_one_too(commands: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADDRESS, "10.0.0.5:6379")
    monkeypatch.delenv(PASSWORD, raising=False)
    monkeypatch.setenv(ray_start_hook.GCS_BINARY, "")
    ray_start_hook.prepare(SimpleNamespace(ray_client_server_port=10001), head=True)
    start_gcs("")
    assert commands[0][0] == str(ray_start_hook.GCS_SCRIPT)


def test_where_the_state_dies_with_the_gcs_ray_starts_its_own_program(
    commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ADDRESS, raising=False)
    binary = services.GCS_SERVER_EXECUTABLE
    params: Any = SimpleNamespace(ray_client_server_port=10001)
    ray_start_hook.prepare(params, head=True)
    assert params.ray_client_server_port is None
    start_gcs("")
    assert commands[0][0] == binary
