"""Faults that strike a running server's processes from outside."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from worlds.server_processes import named, processes_of
from worlds.waiting import wait_until

COORDINATOR = "ray::CoordinatorActor"
AGENT = "ray::AgentActor"
BREAKER = "ray::CircuitBreakerActor"
SHARED = "ray::SharedStateActor"
REPLICA = "ray::ServeReplica"
CONTROLLER = "ray::ServeController"
BACK_S = 90.0


def kill(data_dir: Path, name: str, count: int = 1) -> list[int]:
    """kill -9 up to `count` processes of that name; returns their pids. Fails where there is none."""
    found = named(data_dir, name)[:count]
    assert found, f"no process {name} to kill"
    for process in found:
        process.send_signal(signal.SIGKILL)
    return [process.pid for process in found]


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
    size = max(1, (data_dir / "debates.db-wal").stat().st_size // 2)
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


def freeze(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)


def thaw(pid: int) -> None:
    os.kill(pid, signal.SIGCONT)
