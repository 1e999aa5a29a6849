"""Durable jobs of a running server: they run after its start, and another process takes over from one that was
killed."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from worlds.live_server import LiveServer
from worlds.server_processes import named

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

WAIT_S = 60.0
SCHEDULER = "ray::SchedulerActor"


def rows(data_dir: Path) -> list[tuple[str, int, int, str | None]]:
    """Name, epoch, runs and last result of every job."""
    with closing(sqlite3.connect(data_dir / "core.db")) as database:
        return database.execute("SELECT name, epoch, runs, last_result FROM scheduled_jobs ORDER BY name").fetchall()


def runs_of(found: list[tuple[str, int, int, str | None]]) -> dict[str, int]:
    """How often each job ran, but for those that run every few minutes or seconds and may be due at any moment."""
    often = ("sweep ephemeral", "webhook dispatcher", "leases and deadlines of tasks")
    return {name: runs for name, _, runs, _ in found if name not in often}


def test_jobs_run_once_after_the_start_and_a_killed_scheduler_is_succeeded_without_running_them_again(
    server: LiveServer,
) -> None:
    def all_ran() -> bool:
        found = rows(server.data_dir)
        return bool(found) and all(result is not None for _, _, _, result in found)

    server.until(all_ran, within_s=WAIT_S)
    before = rows(server.data_dir)
    assert {name for name, _, _, _ in before} >= {"prune usage_applied", "forget dead API keys", "sweep ephemeral"}

    (process,) = named(server.data_dir, SCHEDULER)
    os.kill(process.pid, signal.SIGKILL)
    server.until(lambda: rows(server.data_dir)[0][1] > before[0][1], within_s=WAIT_S)
    after = rows(server.data_dir)
    assert runs_of(after) == runs_of(before)
