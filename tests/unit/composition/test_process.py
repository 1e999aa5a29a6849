"""How the server's process ends where it cannot start: its exit code tells a supervisor whether to try again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aragora.composition import encrypted_stores, process
from aragora.composition.preflight import SERVER_OF
from aragora.composition.process import Options, serve
from aragora.composition.server_parts import ServerParts
from aragora.errors import Conflict, Unavailable
from aragora.free_ports import free_ports
from aragora.migrations import apply


def fails(error: Exception) -> Callable[..., Any]:
    def step(*_: object) -> Any:
        raise error

    return step


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Options:
    """Of a server whose parts are replaced by the test, in a process that stays as it is."""
    monkeypatch.setenv(SERVER_OF, "")
    monkeypatch.setattr(process, "make_files_private", lambda: None)
    monkeypatch.setattr(process.StopSignals, "install", lambda _: None)
    return Options(*free_ports(2), "127.0.0.1", None, tmp_path)


def test_a_store_that_is_away_is_exit_code_3(
    options: Options, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(apply, "apply_all", fails(Unavailable("The database is away.")))
    assert serve(options) == 3
    assert capsys.readouterr().err == "error: The database is away.\n"


def test_the_warning_of_plaintext_names_a_command_that_means_the_servers_own_store(
    options: Options, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def none_marked(*_: object) -> frozenset[str]:
        return frozenset()

    monkeypatch.setenv("ARAGORA_ENCRYPTION_KEY", "ab" * 32)
    monkeypatch.setattr(encrypted_stores, "mark_empty_stores", none_marked)
    monkeypatch.setattr(ServerParts, "steps", lambda _: [("cluster", fails(Conflict("no")))])
    monkeypatch.setattr(ServerParts, "close", lambda _: None)
    assert serve(options) == 1
    assert f"encrypt_existing_data --all --execute --data-dir {options.data_dir}`" in capsys.readouterr().err


@pytest.mark.parametrize("error", [Unavailable("The cluster did not start."), Conflict("no")])
def test_a_part_that_does_not_start_is_exit_code_1(
    options: Options, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    monkeypatch.setattr(ServerParts, "steps", lambda _: [("cluster", fails(error))])
    monkeypatch.setattr(ServerParts, "close", lambda _: None)
    assert serve(options) == 1
    assert capsys.readouterr().err == f"error: {error}\n"
