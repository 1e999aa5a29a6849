"""A PostgreSQL of the test's own that is ended by a signal and started again on the same data."""

from __future__ import annotations

from typing import Any

import psutil
from worlds.waiting import wait_until


def stop(postgres: Any, number: int) -> None:
    """End PostgreSQL by a signal (SIGINT: it breaks off what runs; SIGKILL: it must recover from its log)."""
    postmaster = psutil.Process(postgres.get_pid())
    family = [postmaster, *postmaster.children()]
    postmaster.send_signal(number)
    wait_until(lambda: not any(_lives(process) for process in family), "PostgreSQL is down")
    for lock in (*postgres.pgdata.glob(".s.PGSQL.*"), postgres.pgdata / "postmaster.pid"):
        lock.unlink(missing_ok=True)  # where nobody reaps it, its lock files name a process that seems to live


def start(postgres: Any) -> None:
    """Start one that was stopped."""
    postgres.ensure_postgres_running()


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
