"""One live server of stub agents for all tests here that do not end it: each start costs seconds of both cores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from worlds.live_server import LiveServer, running
from worlds.server_processes import end_all

LATENCY_MS = "20"
"""Of each stub answer: a debate of one round takes 0.1 s, one of twenty takes seconds and can be interfered with."""

RECEIVERS = {"ARAGORA_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.1/32"}
"""Those of the tests are on this machine."""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Ready, with five stub agents. Tests share it: count differences, and leave no debate running."""
    with running(tmp_path_factory.mktemp("live") / "data", ARAGORA_STUB_LATENCY_MS=LATENCY_MS, **RECEIVERS) as live:
        yield live


@pytest.fixture(scope="session")
def debate_id(server: LiveServer) -> str:
    """A debate that has ended with a decision and a receipt."""
    opened = server.debate()
    assert server.ended(opened)["status"] == "completed"
    return opened


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """For a server of the test's own; what still runs on it after the test is killed."""
    directory = tmp_path / "data"
    yield directory
    end_all(directory)
