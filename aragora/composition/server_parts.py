"""The parts of a server on one machine in the order in which they start, are watched, drained and closed."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Callable
from typing import Final

import psutil

from actors.cluster import (
    AUTH_MODE,
    Cluster,
    asks_for_token,
    connect,
    disconnect,
    short_directory,
    stay_on_this_machine,
)
from actors.ray_environment import HTTP_BIND, set_for_server
from actors.ray_node import lives
from aragora.clock import SystemClock
from aragora.composition.launch import Launch
from aragora.composition.listening import Listening
from aragora.composition.service import JOBS_AGAIN_S, Service
from aragora.config.settings import Settings
from aragora.errors import Misconfigured

RAY_TOKEN: Final = "ray_token"  # noqa: S105 - the name of its file


class ServerParts:
    """Ray, the actors and Serve of one server."""

    def __init__(self, settings: Settings, host: str, http_port: int, ws_port: int) -> None:
        self._settings = settings
        self._service = Service(settings)
        self._host = host
        self._listening = Listening.on(host)
        self._ports = (http_port, ws_port)
        self._started_at = SystemClock().now()
        self._directory = short_directory("aragora")
        self._cluster: Cluster | None = None
        self._daemons: list[psutil.Process] = []
        self._jobs_again_at = 0.0

    @property
    def dashboard_url(self) -> str | None:
        return None if self._cluster is None else self._cluster.dashboard_url

    def steps(self) -> tuple[tuple[str, Callable[[], None]], ...]:
        """What starts, in order, each with the name that is shown."""
        return (
            ("cluster", self._connect),
            ("actors", self._create_actors),
            ("ingress", self._deploy),
            ("coordinators", self._await_ready),
        )

    def keep_jobs(self) -> None:
        """Ask the scheduler of durable jobs every `JOBS_AGAIN_S` seconds how it is, which starts one that has ended;
        the server is ready without it. Call it again and again. Raises nothing."""
        now = time.monotonic()
        if now >= self._jobs_again_at:
            self._jobs_again_at = now + JOBS_AGAIN_S
            asyncio.run(self._service.start_jobs(JOBS_AGAIN_S))

    def dead(self) -> str | None:
        """Which part died that nothing else restarts; None while all live."""
        for daemon in self._daemons:
            if not lives(daemon):
                return f"Ray's process {daemon.pid} has ended"
        return None

    def drain(self, limit_s: float, sockets_s: float) -> int:
        """Stop accepting, let debates end for up to `limit_s` seconds, close WebSockets; returns how many debates are
        left for the next start."""
        return asyncio.run(self._service.drain(limit_s, sockets_s))

    def close(self) -> None:
        """End every process of this server."""
        if self._cluster is not None:
            disconnect()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _connect(self) -> None:
        os.environ[HTTP_BIND] = self._listening.bind(*self._ports)
        set_for_server(self._directory, own_ports=self._ports)
        stay_on_this_machine(self._settings.data_dir / "run" / RAY_TOKEN)
        before = set(psutil.Process().children(recursive=True))
        try:
            self._cluster = connect(None, self._directory)
            guarded = asks_for_token(self._cluster.address)
        except ConnectionError as error:
            raise Misconfigured(f"the Ray that was started here does not answer: {error}") from None
        if not guarded:
            self._tell_of_no_token()
        started = set(psutil.Process().children(recursive=True)) - before
        self._daemons = [process for process in started if process.name() in ("gcs_server", "raylet")]

    def _tell_of_no_token(self) -> None:
        """Raises Misconfigured in production."""
        told = (
            f"Ray takes commands without a token: whoever reaches its ports runs code as this server; set {AUTH_MODE}"
        )
        if self._settings.production:
            raise Misconfigured(f"{told}=token (docs/security.md)")
        sys.stderr.write(f"warning: {told}=token\n")

    def _create_actors(self) -> None:
        asyncio.run(self._service.activate())

    def _deploy(self) -> None:
        from serve_app import deploy  # noqa: PLC0415 - imports Ray, whose environment was set before

        deploy(Launch(self._settings, self._started_at, self._host, *self._ports))

    def _await_ready(self) -> None:
        self._listening.await_connections(self._ports)
        asyncio.run(self._service.admit())
