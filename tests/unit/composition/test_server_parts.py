"""The parts of a server that can be watched without starting any."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from structlog.testing import capture_logs

from aragora.composition import server_parts
from aragora.composition.server_parts import JOBS_AGAIN_S, ServerParts
from aragora.config.settings import Settings


def test_the_scheduler_is_asked_again_and_again_so_that_one_that_ended_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_parts, "short_directory", lambda _label: tmp_path)
    parts = ServerParts(Settings(data_dir=tmp_path), "127.0.0.1", 1, 2)
    now, tried = [1000.0], []

    async def start_jobs(_: float) -> None:
        tried.append(now[0])

    monkeypatch.setattr(parts._service, "start_jobs", start_jobs)
    monkeypatch.setattr(server_parts.time, "monotonic", lambda: now[0])
    for at in (1000.0, 1001.0, 1000.0 + JOBS_AGAIN_S, 1001.0 + JOBS_AGAIN_S):
        now[0] = at
        parts.keep_jobs()
    assert tried == [1000.0, 1000.0 + JOBS_AGAIN_S]


def test_nothing_unexpected_of_the_scheduler_ends_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_parts, "short_directory", lambda _label: tmp_path)
    parts = ServerParts(Settings(data_dir=tmp_path), "127.0.0.1", 1, 2)

    def broken(*_: object) -> None:
        raise RuntimeError("Ray is not initialised")

    monkeypatch.setattr("actors.runtime.Runtime.at", broken)
    with capture_logs() as logs:
        parts.keep_jobs()
    assert [line["event"] for line in logs] == ["the scheduler did not answer"]


def test_a_process_that_ends_between_two_looks_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        pid = 7

        def is_running(self) -> bool:
            return True

        def status(self) -> str:
            raise psutil.NoSuchProcess(self.pid)

    monkeypatch.setattr(server_parts, "short_directory", lambda _label: tmp_path)
    parts = ServerParts(Settings(data_dir=tmp_path), "127.0.0.1", 1, 2)
    parts._daemons = [Gone()]  # type: ignore[list-item]
    assert parts.dead() == "Ray's process 7 has ended"
