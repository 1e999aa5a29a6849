"""The machine: Python, memory, disk, ports."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil

from aragora.cli.checkup.finding import Finding, fault, ok, warning
from aragora.client import AragoraClient

MEMORY_FLOOR_BYTES: Final = 1_500_000_000  # an idle server with its Ray head, and room for debates
DISK_FLOOR_BYTES: Final = 1_000_000_000


def memory() -> Finding:
    free = psutil.virtual_memory().available
    told = f"{free / 1e9:.1f} GB available"
    if free < MEMORY_FLOOR_BYTES:
        return warning("memory", told, "Leave at least 1.5 GB to the server, or expect actors to be killed.")
    return ok("memory", told)


def data_directory(data_dir: Path) -> Iterator[Finding]:
    """Whether the server can keep its databases there."""
    place = next(folder for folder in (data_dir.absolute(), *data_dir.absolute().parents) if folder.exists())
    mend = "Choose another with ARAGORA_DATA_DIR or --data-dir, or change its owner."
    try:
        with tempfile.TemporaryFile(dir=place):
            free = shutil.disk_usage(place).free
    except OSError as error:
        yield fault("data directory", f"{data_dir} cannot be written ({os.strerror(error.errno or 0)}).", mend)
        return
    yield ok("data directory", str(data_dir.absolute()))
    if free < DISK_FLOOR_BYTES:
        cleanup = "python scripts/cleanup_nomic_state.py --dry-run says what can go."
        yield warning("disk", f"{free / 1e9:.1f} GB free at {place}", cleanup)
    else:
        yield ok("disk", f"{free / 1e9:.1f} GB free")


async def server_and_ports(url: str, token: str | None, ports: tuple[int, ...]) -> list[Finding]:
    """A running server and its health, or whether its ports are free for one."""
    async with AragoraClient(url, token=token) as client:
        if not await client.alive():
            return [ok("server", f"none is running at {url}"), *await asyncio.to_thread(_ports, ports)]
        health = await client.get("/api/health")
        agents = (await client.get("/api/agents/health"))["agents"]
    told = f"{health['status']} at {url}, version {health['version']}, up {health['uptime']} s"
    findings = [
        ok("server", told)
        if health["status"] == "healthy"
        else warning("server", told, f"See {url}/api/health, and the server's log.")
    ]
    if not agents:
        findings.append(fault("agents", "The server has no agents.", "Set a provider's key and start it again."))
    for agent in agents:
        breaker = agent.get("breaker")
        if (breaker.get("state") if isinstance(breaker, dict) else breaker) == "open":
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
