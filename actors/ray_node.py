"""The Ray of this machine's node of a cluster: start it, find it, stop it, and no other Ray that runs here.

Every process of a node carries the node's data directory in its environment (`NODE_OF`), so that a node is found by
what runs and not by a file that may be stale.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from actors.gcs_storage import kept_in_redis
from actors.launcher_state import settings_of_launched_node
from actors.ray_environment import RUN_DIRECTORY, set_for_node
from aragora.errors import Misconfigured, Unavailable
from aragora.identity.origins import authority

NODE_OF: Final = "ARAGORA_NODE_OF"
"""Environment variable that every process of a node carries: the node's data directory."""
GCS_AT: Final = "ARAGORA_GCS_AT"
"""Environment variable of the same processes: the address of the cluster's GCS, `host:port`."""
NODE_AT: Final = "ARAGORA_NODE_AT"
"""Environment variable of the same processes: the node's own address."""
GCS_PORT: Final = 6380
"""Not Ray's 6379, which Redis has."""
DASHBOARD_PORT: Final = 8265
METRICS_PORT: Final = 8090
"""Where each node tells Prometheus Ray's own figures; Ray would take any port."""
DIRECTORY: Final = Path("/tmp/aragora-node")  # noqa: S108 - made for this user alone, or refused
"""The short directory of a node's sockets. It has one name on all nodes: Serve's controller tells every node's proxy
where its files are, by its own environment."""
TRIES: Final = 3
"""On a busy machine Ray may give up a start that would have come to its end."""
START_S: Final = 120.0
GRACE_S: Final = 15.0
RAYLET: Final = "raylet"
GCS: Final = frozenset({"gcs_server", "gcs_server.sh"})
"""The GCS, and the script that starts it again where its state is in Redis."""

_SETTINGS: Final = ("RAY_", "ARAGORA_HAPROXY_BINARY", "ARAGORA_HTTP_BIND", RUN_DIRECTORY, GCS_AT, NODE_AT)
_NOISE: Final = ("-", "│", "[", "Traceback", "  File", "    ", "During handling")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node is to stand: its own `address`, and that of the cluster's GCS. `launcher_config` is the file that
    `ray up` writes for the head's autoscaler; None without a launcher."""

    data_dir: Path
    address: str
    gcs_address: str
    bind: str
    launcher_config: Path | None = None

    @property
    def head(self) -> bool:
        return self.gcs_address == authority(self.address, GCS_PORT)


@dataclass(frozen=True, slots=True)
class RunningNode:
    """A node whose Ray runs here."""

    address: str
    gcs_address: str
    raylet: psutil.Process

    @property
    def head(self) -> bool:
        return self.gcs_address == authority(self.address, GCS_PORT)

    @property
    def lives(self) -> bool:
        """Whether its raylet still runs, with which everything on the node ends."""
        return lives(self.raylet)

    @property
    def kept_in_redis(self) -> bool:
        """Whether the head's state is kept in Redis and outlives the head."""
        return kept_in_redis(self.raylet.environ())


def running(data_dir: Path) -> RunningNode | None:
    """The node of this data directory, if its Ray runs. A head without its GCS, and without a script that is about to
    start it again, does not count as running."""
    found = list(_processes(data_dir))
    raylet = next((process for process in found if process.name() == RAYLET), None)
    if raylet is None:
        return None
    environment = raylet.environ()
    node = RunningNode(environment[NODE_AT], environment[GCS_AT], raylet)
    if node.head and not any(process.name() in GCS for process in found):
        return None
    return node


def lives(process: psutil.Process) -> bool:
    """Whether a process runs; one that has ended and that nobody has waited for does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def take_settings_of(node: RunningNode) -> None:
    """Set in this process what the node's processes read from their environment; before Ray is imported."""
    for name, value in node.raylet.environ().items():
        if name.startswith(_SETTINGS):
            os.environ[name] = value


def start(place: Place) -> RunningNode:
    """Start Ray at a place where none runs; what a killed node has left is ended first. Blocks.

    Raises Unavailable with Ray's own reason where it does not start, Misconfigured where somebody else has the node's
    directory.
    """
    stop(place.data_dir)
    reason = ""
    for _ in range(TRIES):
        _make_directory()
        set_for_node(DIRECTORY, place.bind)
        os.environ[NODE_OF] = str(place.data_dir)
        os.environ[GCS_AT] = place.gcs_address
        os.environ[NODE_AT] = place.address
        if place.launcher_config is not None or not place.head:
            os.environ.update(settings_of_launched_node(place.address))
        done = subprocess.run(  # noqa: S603 - Ray's own command
            _command(place),
            capture_output=True,
            text=True,
            timeout=START_S,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "RAY_START_HOOK": "actors.ray_start_hook.prepare"},
        )
        node = running(place.data_dir)
        if done.returncode == 0 and node is not None:
            return node
        stop(place.data_dir)
        reason = _reason(done.stdout + done.stderr)
        if "timed out" not in reason.lower():
            break
    raise Unavailable(f"Ray does not start: {reason}")


def stop(data_dir: Path) -> None:
    """End every process of the node. Blocks. The raylet is the first, which tells the cluster that it leaves, and the
    GCS the last: others wait for its answer before they end."""
    _end([process for process in _processes(data_dir) if process.name() == RAYLET])
    _end([process for process in _processes(data_dir) if process.name() not in GCS])
    _end(list(_processes(data_dir)))
    others = (process for process in psutil.process_iter() if process.pid != os.getpid())
    if not any(_variable(process, RUN_DIRECTORY) == str(DIRECTORY) for process in others):
        shutil.rmtree(DIRECTORY, ignore_errors=True)  # not under a node of another data directory


def _command(place: Place) -> list[str]:
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", f"--node-ip-address={place.address}"]
    command += ["--disable-usage-stats", f"--metrics-export-port={METRICS_PORT}"]
    if not place.head:
        return [*command, f"--address={place.gcs_address}"]
    command += ["--head", f"--port={GCS_PORT}", "--dashboard-host=127.0.0.1", f"--dashboard-port={DASHBOARD_PORT}"]
    if place.launcher_config is not None:
        command.append(f"--autoscaling-config={place.launcher_config}")
    return command


def _processes(data_dir: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and _variable(process, NODE_OF) == str(data_dir) and lives(process):
                yield process
        except psutil.NoSuchProcess:
            continue


def _end(family: list[psutil.Process]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in family:
            try:
                process.send_signal(number)
            except psutil.NoSuchProcess:
                continue
        _, family = psutil.wait_procs(family, timeout=GRACE_S)


def _variable(process: psutil.Process, name: str) -> str | None:
    """A variable of its environment; None where it has none or has ended."""
    try:
        return process.environ().get(name)
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return None


def _make_directory() -> None:
    """Raises Misconfigured where it is there and another user's: what lies in it is trusted."""
    DIRECTORY.mkdir(mode=0o700, exist_ok=True)
    found = DIRECTORY.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise Misconfigured(f"{DIRECTORY} is not this user's own directory: remove it (as root), then try again")
    DIRECTORY.chmod(0o700)


def _reason(output: str) -> str:
    """The last line of what Ray printed that says something."""
    lines = [line.strip() for line in output.splitlines() if line.strip() and not line.startswith(_NOISE)]
    return lines[-1][:300] if lines else "it printed nothing"
