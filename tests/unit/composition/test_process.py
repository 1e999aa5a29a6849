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


@pytest.mark.parametrize("production", [False, True])
def test_a_misspelt_setting_is_told_at_the_start_also_where_it_is_refused_and_never_with_its_value(
    options: Options, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], production: bool
) -> None:
    assert options.data_dir is not None
    (options.data_dir / "agents.toml").write_text(
        '[agents.box]\nprovider = "local"\nmodel = "m"\naddress = "http://box:8000/v1"\nkey_variable = "ARAGORA_BOX_KEY"\n'
    )
    monkeypatch.setenv("ARAGORA_BOX_KEY", "k")
    monkeypatch.setenv("ARAGORA_JWT_SECERT", "hunter2")
    monkeypatch.setenv("ARAGORA_\x1b[2J\udcff", "hunter2")
    monkeypatch.setattr(apply, "apply_all", fails(Unavailable("The database is away.")))
    if production:
        monkeypatch.setenv("ARAGORA_ENV", "production")
    assert serve(options) == (2 if production else 3)
    lines = capsys.readouterr().err.splitlines()
    odd, told = [line for line in lines if line.startswith("warning: ")]
    assert "ARAGORA_JWT_SECERT is no setting, and has no effect. Is ARAGORA_JWT_SECRET meant?" in told
    assert odd.startswith("warning: ARAGORA_?[2J? is no setting")
    assert "hunter2" not in str(lines)


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
