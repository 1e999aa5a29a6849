"""Faults that strike a running server's processes from outside."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
from worlds.server_processes import named, processes_of
from worlds.waiting import wait_until
from worlds.webhook_arrivals import Arrivals

COORDINATOR = "ray::CoordinatorActor"
AGENT = "ray::AgentActor"
BREAKER = "ray::CircuitBreakerActor"
SHARED = "ray::SharedStateActor"
REPLICA = "ray::ServeReplica"
CONTROLLER = "ray::ServeController"
DISPATCHER = "ray::WebhookDispatcherActor"
ENDPOINT = "ray::WebhookEndpointActor"
ADAPTERS = "ray::KnowledgeAdapterActor"
MOUND_INDEX = "ray::MoundIndexActor"
BACK_S = 90.0


def kill(data_dir: Path, name: str, count: int = 1) -> list[int]:
    """kill -9 up to `count` processes of that name; returns their pids. Fails where there is none."""
    found = named(data_dir, name)[:count]
    assert found, f"no process {name} to kill"
    for process in found:
        process.send_signal(signal.SIGKILL)
    return [process.pid for process in found]


def kill_sender(data_dir: Path, name: str, arrivals: Arrivals) -> list[int]:
    """kill -9 one process that sends webhooks, and return once the receivers have read whatever it had sent."""
    (sender,) = named(data_dir, name)[:1]
    sender.send_signal(signal.SIGSTOP)  # so that what it has open does not change while it is looked at
    connections = sender.net_connections("tcp")
    ports = {one.laddr.port for one in connections if one.raddr and one.raddr.port == arrivals.port}
    arrivals.wait_accepted(ports)
    sender.send_signal(signal.SIGKILL)
    arrivals.wait_ended(ports)
    return [sender.pid]


def kill_haproxy(data_dir: Path) -> list[int]:
    """kill -9 the proxy of the HTTP port: the one that Serve started and watches."""
    found = [one for one in named(data_dir, "haproxy") if "haproxy.cfg" in " ".join(one.cmdline())]
    found = [one for one in found if not one.name().startswith("ray::") and one.name() != "sh"]
    assert found, "no HAProxy to kill"
    for process in found:
        process.send_signal(signal.SIGKILL)
    return [process.pid for process in found]


def kill_all(data_dir: Path) -> int:
    """kill -9 every process of the server at once, the command that started it included; returns how many."""
    victims = processes_of(data_dir)
    for process in victims:
        try:
            process.send_signal(signal.SIGSTOP)  # so that none lives on for a moment without the others
        except psutil.NoSuchProcess:
            continue
    for process in victims:
        try:
            process.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(victims, timeout=BACK_S)
    return len(victims)


@contextmanager
def full_disk(data_dir: Path, name: str) -> Iterator[None]:
    """For the block, no write of these processes extends a file past its present size: what a full disk refuses."""
    limited = [process.pid for process in named(data_dir, name)]
    with files_not_beyond(max(1, (data_dir / "debates.db-wal").stat().st_size // 2), limited):
        yield


@contextmanager
def files_not_beyond(size: int, limited: Sequence[int]) -> Iterator[None]:
    """For the block, no write of these processes goes beyond so many bytes of a file."""
    for pid in limited:
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        for pid in limited:
            try:
                _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
            except ProcessLookupError:
                continue


def wait_back(data_dir: Path, name: str, killed: list[int], count: int) -> None:
    """Return once `count` processes of that name live that are none of the killed."""
    gone = set(killed)
    wait_until(
        lambda: len([one for one in named(data_dir, name) if one.pid not in gone]) >= count,
        f"{count} of {name}",
        BACK_S,
        pause_s=0.05,
    )


def freeze(pid: int, files: Iterable[Path]) -> None:
    """Stop a process; not while it holds the one lock of these SQLite files, for no successor could begin then."""
    deadline = time.monotonic() + BACK_S
    while time.monotonic() < deadline:
        os.kill(pid, signal.SIGSTOP)
        if not any(map(_is_locked, files)):
            return
        thaw(pid)
    raise AssertionError("the process was writing whenever it was stopped")


def thaw(pid: int) -> None:
    os.kill(pid, signal.SIGCONT)


def _is_locked(file: Path) -> bool:
    with closing(sqlite3.connect(file, timeout=0.2, isolation_level=None)) as probe:
        try:
            probe.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
    return False
