"""The parts of a server that can be watched without starting any."""

from __future__ import annotations

from pathlib import Path

import pytest

from aragora.composition import server_parts
from aragora.composition.server_parts import JOBS_AGAIN_S, ServerParts
from aragora.config.settings import Settings


def test_a_scheduler_that_did_not_start_is_started_again_until_it_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_parts, "short_directory", lambda _label: tmp_path)
    parts = ServerParts(Settings(data_dir=tmp_path), "127.0.0.1", 1, 2)
    now, tried, answers = [1000.0], [], [False, True]

    async def start_jobs() -> bool:
        tried.append(now[0])
        return answers.pop(0)

    monkeypatch.setattr(parts, "_start_jobs", start_jobs)
    monkeypatch.setattr(server_parts.time, "monotonic", lambda: now[0])
    for at in (1000.0, 1001.0, 1000.0 + JOBS_AGAIN_S, 1000.0 + 2 * JOBS_AGAIN_S):
        now[0] = at
        parts.keep_jobs()
    assert tried == [1000.0, 1000.0 + JOBS_AGAIN_S]
