"""`aragora serve` becomes the server's own process."""

from __future__ import annotations

import os
import sys

import pytest

from aragora.cli.main import main


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    commands: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _path, command: commands.append(command))
    return commands


def test_the_runbooks_command_becomes_the_servers_module(executed: list[list[str]]) -> None:
    assert main(["serve", "--api-port", "8080", "--ws-port", "8765"]) == 0
    assert executed == [
        [sys.executable, "-m", "aragora.server", "--http-port", "8080", "--port", "8765", "--host", "127.0.0.1"]
    ]


def test_workers_host_and_data_directory_are_handed_on(executed: list[list[str]]) -> None:
    assert main(["serve", "--host", "0.0.0.0", "--workers", "4", "--data-dir", "/data/aragora"]) == 0
    assert executed[0][-6:] == ["--host", "0.0.0.0", "--workers", "4", "--data-dir", "/data/aragora"]


@pytest.mark.parametrize("wrong", [["--api-port", "0"], ["--ws-port", "70000"], ["--workers", "0"]])
def test_a_value_out_of_range_is_refused(wrong: list[str], executed: list[list[str]]) -> None:
    assert main(["serve", *wrong]) == 2
    assert executed == []
