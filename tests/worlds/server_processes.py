"""The processes of one running server, found as its operators can: by the mark in their environment."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import psutil
from worlds.waiting import WAIT_S, wait_until

from aragora.composition.preflight import SERVER_OF

COORDINATOR = "ray::CoordinatorActor"


@dataclass(frozen=True)
class Footprint:
    """Memory in MB: `rss` counts shared pages in every process, `pss` shares them out."""

    processes: int
    rss: float
    pss: float


def processes_of(data_dir: Path) -> list[psutil.Process]:
    """Every process that serves this data directory, the command itself included once it has marked itself."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(SERVER_OF) == str(data_dir) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def named(data_dir: Path, name: str) -> list[psutil.Process]:
    """The server's processes whose command line contains `name` (Ray names its actors' processes so)."""
    found = []
    for process in processes_of(data_dir):
        try:
            if name in " ".join(process.cmdline()):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found


def kill_coordinator(data_dir: Path) -> int:
    """kill -9 the one coordinator of this server; returns the pid that died."""
    (coordinator,) = named(data_dir, COORDINATOR)
    os.kill(coordinator.pid, signal.SIGKILL)
    return coordinator.pid


def wait_gone(data_dir: Path, within_s: float = WAIT_S) -> None:
    """Return once no process of the server is left; fails with those that stay."""
    try:
        wait_until(lambda: not processes_of(data_dir), deadline_s=within_s, pause_s=0.1)
    except AssertionError:
        left = [" ".join(one.cmdline()) for one in processes_of(data_dir)]
        raise AssertionError(f"still running after {within_s} s: {left}") from None


def end_all(data_dir: Path) -> None:
    """kill -9 whatever runs on this data directory, the command that was started on it included."""
    for process in psutil.process_iter():
        try:
            environment = process.environ()
            if str(data_dir) in (environment.get(SERVER_OF), environment.get("ARAGORA_DATA_DIR")):
                process.kill()
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue


def footprint(data_dir: Path, launcher: int) -> Footprint:
    """Memory of the server's processes, with that of the command that started them (pid `launcher`)."""
    pids = {process.pid for process in processes_of(data_dir)} | {launcher}
    memory = [psutil.Process(pid).memory_full_info() for pid in pids]
    megabyte = 1024.0 * 1024.0
    return Footprint(len(memory), sum(one.rss for one in memory) / megabyte, sum(one.pss for one in memory) / megabyte)
