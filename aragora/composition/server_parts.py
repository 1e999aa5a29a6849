"""The parts of a running server in the order in which they start, are watched, drained and closed."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import psutil
import structlog

from actors.cluster import (
    AUTH_MODE,
    NAMESPACE,
    Cluster,
    asks_for_token,
    connect,
    disconnect,
    prepare_environment,
    short_directory,
    stay_on_this_machine,
)
from actors.kinds import COORDINATOR, SCHEDULER, SCHEDULER_KEY, SHARED, SHARED_KEY
from aragora.background import wait_until
from aragora.clock import SystemClock
from aragora.composition.launch import Launch
from aragora.composition.listening import Listening
from aragora.composition.websocket_port import WebSocketPort
from aragora.config.settings import Settings
from aragora.errors import AragoraError, Misconfigured, Unavailable

if TYPE_CHECKING:
    from actors.runtime import Reference, Runtime
    from actors.shared_state import SharedStateActor

READY_S: Final = 60.0
JOBS_START_S: Final = 10.0
JOBS_AGAIN_S: Final = 60.0
JOBS_STOP_S: Final = 10.0
SOCKETS_EVERY_S: Final = 0.1
RAY_TOKEN: Final = "ray_token"  # noqa: S105 - the name of its file
HTTP_BIND: Final = "ARAGORA_HTTP_BIND"
"""Environment variable, set for `actors/haproxy.sh`: where Serve's HAProxy listens."""

log = structlog.get_logger("aragora.server")


class ServerParts:
    """Ray, the actors, Serve, and the WebSocket port of one server."""

    def __init__(self, settings: Settings, host: str, http_port: int, ws_port: int) -> None:
        self._settings = settings
        self._host = host
        self._listening = Listening.on(host)
        self._http_port = http_port
        self._ws_port = ws_port
        self._started_at = SystemClock().now()
        self._directory = short_directory("aragora")
        self._cluster: Cluster | None = None
        self._daemons: list[psutil.Process] = []
        self._websocket: WebSocketPort | None = None
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
            asyncio.run(self._start_jobs())

    def dead(self) -> str | None:
        """Which part died that nothing else restarts; None while all live."""
        for daemon in self._daemons:
            if not _lives(daemon):
                return f"Ray's process {daemon.pid} has ended"
        if self._websocket is not None:
            try:
                self._websocket.check()
            except Unavailable as error:
                return error.message
        return None

    def drain(self, limit_s: float, sockets_s: float) -> int:
        """Stop accepting, let debates end for up to `limit_s` seconds, close WebSockets; returns how many debates are
        left for the next start."""
        return asyncio.run(self._drain(limit_s, sockets_s))

    def close(self) -> None:
        """End every process of this server, or leave the cluster that others started."""
        if self._websocket is not None:
            self._websocket.close()
        if self._cluster is not None:
            if not self._cluster.local:
                self._retire_from_cluster()
            disconnect()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _connect(self) -> None:
        os.environ[HTTP_BIND] = self._listening.bind(self._http_port)
        prepare_environment(self._directory, own_ports=(self._http_port, self._ws_port))
        address = self._settings.ray_address
        if address is not None and self._settings.database_url is None:
            raise Misconfigured(
                "RAY_ADDRESS names a cluster, and SQLite serves one node only: set DATABASE_URL to a PostgreSQL "
                "that every node reaches, or unset RAY_ADDRESS"
            )
        if address is None:
            stay_on_this_machine(self._settings.data_dir / "run" / RAY_TOKEN)
        before = set(psutil.Process().children(recursive=True))
        try:
            self._cluster = connect(address, self._directory)
            guarded = asks_for_token(self._cluster.address)
        except ConnectionError as error:
            raise Misconfigured(f"no Ray cluster answers at RAY_ADDRESS={address}: {error}") from None
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
            raise Misconfigured(f"{told}=token here and on every node, with the same token (docs/security.md)")
        sys.stderr.write(f"warning: {told}=token\n")

    def _create_actors(self) -> None:
        asyncio.run(self._activate())

    async def _activate(self) -> None:
        from actors.runtime import Runtime  # noqa: PLC0415 - imports Ray, whose environment was prepared above

        runtime = Runtime(self._settings)
        await runtime.at(SHARED, SHARED_KEY).activate()
        for shard in range(self._settings.coordinator_shards):
            await runtime.at(COORDINATOR, str(shard)).activate()

    def _deploy(self) -> None:
        from serve_app import deploy  # noqa: PLC0415

        deploy(Launch(self._settings, self._started_at, self._host, self._http_port, self._ws_port))
        self._websocket = WebSocketPort(self._directory, self._listening, self._ws_port, self._http_port)

    def _await_ready(self) -> None:
        if self._websocket is not None:
            self._websocket.await_listening()
        asyncio.run(self._ready())

    async def _ready(self) -> None:
        from actors.runtime import Runtime  # noqa: PLC0415
        from actors.shared_state import LifecycleStage  # noqa: PLC0415

        runtime = Runtime(self._settings)
        for shard in range(self._settings.coordinator_shards):
            await runtime.at(COORDINATOR, str(shard)).ask(lambda it: it.ready(), timeout_s=READY_S)
        await runtime.at(SHARED, SHARED_KEY).ask(lambda it: it.set_lifecycle(LifecycleStage.READY), timeout_s=READY_S)

    async def _start_jobs(self) -> None:
        from actors.runtime import Runtime  # noqa: PLC0415

        try:
            scheduler = Runtime(self._settings).at(SCHEDULER, SCHEDULER_KEY)
            async with asyncio.timeout(JOBS_START_S):
                await scheduler.ask(lambda it: it.status(), timeout_s=JOBS_START_S)
        except Exception as error:  # jobs that cannot run are no reason to end the server
            known = isinstance(error, AragoraError | TimeoutError)
            log.warning("the scheduler did not answer", error=str(error), retry_in_s=JOBS_AGAIN_S, exc_info=not known)

    async def _drain(self, limit_s: float, sockets_s: float) -> int:
        from actors.runtime import Runtime  # noqa: PLC0415
        from actors.shared_state import LifecycleStage  # noqa: PLC0415

        runtime = Runtime(self._settings)
        shared = runtime.at(SHARED, SHARED_KEY)
        await shared.ask(lambda it: it.set_lifecycle(LifecycleStage.DRAINING, "the server is stopping"), timeout_s=5.0)
        # At once: from the moment the server says that it drains, no coordinator takes another debate.
        left, _ = await asyncio.gather(self._drain_coordinators(runtime, limit_s), _stop_jobs(runtime))
        await shared.ask(lambda it: it.set_lifecycle(LifecycleStage.CLOSING, "the server is restarting"), timeout_s=5.0)
        await _sockets_closed(shared, sockets_s)
        return left

    async def _drain_coordinators(self, runtime: Runtime, limit_s: float) -> int:
        """How many debates are left for the next start."""
        left = await asyncio.gather(
            *(
                runtime.at(COORDINATOR, str(shard)).ask(lambda it: it.drain(limit_s), timeout_s=limit_s + 30.0)
                for shard in range(self._settings.coordinator_shards)
            )
        )
        return sum(left)

    def _retire_from_cluster(self) -> None:
        import ray  # noqa: PLC0415
        from ray import serve  # noqa: PLC0415

        from serve_app import APPLICATION  # noqa: PLC0415

        serve.delete(APPLICATION)
        for actor in ray.util.list_named_actors(all_namespaces=True):
            if actor["namespace"] == NAMESPACE:
                ray.kill(ray.get_actor(actor["name"], NAMESPACE), no_restart=True)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # it ended between the two looks
        return False


async def _stop_jobs(runtime: Runtime) -> None:
    """Debates are more important than jobs: a scheduler that does not answer is left to end with the server."""
    try:
        if await runtime.alive(SCHEDULER):
            await runtime.at(SCHEDULER, SCHEDULER_KEY).ask(lambda it: it.drain(), timeout_s=JOBS_STOP_S)
    except AragoraError as error:
        log.warning("the scheduler did not stop", error=error.message)


async def _sockets_closed(shared: Reference[SharedStateActor], limit_s: float) -> None:
    """Returns once no WebSocket is connected, after `limit_s` seconds at the latest."""

    async def none_left() -> bool:
        return (await shared.ask(lambda it: it.connections(), timeout_s=5.0)).connections == 0

    await wait_until(none_left, limit_s=limit_s, every_s=SOCKETS_EVERY_S)
