"""A node of a cluster: checked before it joins, started, watched, and stopped.

`start` returns once the node's Ray runs, for `ray up`; `run` stays with it, for systemd, and drains the node when it is
asked to end.
"""

from __future__ import annotations

import hmac
import os
import platform
import resource
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import psutil
from sqlalchemy import make_url

from actors import ray_node
from actors.gcs_storage import NAMESPACE
from actors.launcher_config import machines
from actors.launcher_state import record_head
from actors.ray_node import GCS_PORT, Place, RunningNode
from aragora.cluster.token import derived_token
from aragora.composition.cluster.deploying import deploy
from aragora.composition.cluster.draining import leave
from aragora.composition.cluster.joining import ray_token_file, refuse_if_changed, refuse_to_join
from aragora.composition.listening import Listening
from aragora.composition.preflight import port_problems
from aragora.composition.stop_signals import StartInterrupted, StopSignals
from aragora.config.legacy import HTTP_PORT, WS_PORT
from aragora.config.settings import Settings
from aragora.errors import AragoraError, Conflict, Misconfigured, Unavailable
from aragora.identity.origins import authority
from aragora.storage.serving import held

WATCH_S: Final = 1.0
MEMBER_S: Final = 5.0
"""How often the head is asked whether it still counts this node."""
ENDED_S: Final = 60.0
DESCRIPTORS: Final = 65_536
"""Open files that a node wants: HAProxy takes some three for each connection."""
SUPERVISOR_LOCK: Final = Path("run/node.lock")
START_LOCK: Final = Path("run/node-start.lock")
START_S: Final = 180.0
LOOK_S: Final = 0.2
EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - clients and the other nodes reach it


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """The command line. `head` is where the cluster's head is, `host` or `host:port`; None where this node is it.
    `address` is this node's own; None leaves it to be found. `launcher_config` is the file of `ray up`."""

    head: str | None
    address: str | None = None
    host: str = EVERYWHERE
    http_port: int = HTTP_PORT
    ws_port: int = WS_PORT
    launcher_config: Path | None = None


def start(options: NodeOptions, settings: Settings, say: Callable[[str], None]) -> RunningNode:
    """The node that runs here, started where none does. Blocks, as long as another process starts it too: the head's
    autoscaler does that as soon as it misses a node.

    Raises Misconfigured with a line per problem that keeps it from joining, Unavailable where what it needs does not
    answer. Each line names this machine.
    """
    with _alone(settings):
        return _start(options, settings, say)


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """One start at a time: each of two would take what the other has begun for the rest of a killed node."""
    deadline = time.monotonic() + START_S
    file = _lock_file(settings, START_LOCK)
    while True:
        with held(file) as holder:
            if holder is None:
                yield
                return
        if time.monotonic() >= deadline:
            raise Unavailable(f"{_name(None)}: process {holder} has not started this node after {START_S:g} s")
        time.sleep(LOOK_S)


def _start(options: NodeOptions, settings: Settings, say: Callable[[str], None]) -> RunningNode:
    try:
        place = _place(options, settings)
        if place.launcher_config is not None:
            record_head(place.launcher_config)
    except (Misconfigured, Unavailable) as problem:
        raise _named(problem, options.address) from None
    node = ray_node.running(settings.data_dir)
    if node is not None:
        if node.gcs_address != place.gcs_address:
            elsewhere = f"this node is part of the cluster at {node.gcs_address}: stop it first (aragora node stop)"
            raise _named(Misconfigured(elsewhere), place.address)
        try:
            refuse_if_changed(settings)
        except (Misconfigured, Unavailable) as problem:
            raise _named(problem, node.address) from None
        if not _given_up(node):
            say(f"{_name(node.address)} runs already")
            return node
        say(f"{_name(node.address)}: the cluster has given this node up; it starts anew")
        ray_node.stop(settings.data_dir)
    try:
        refuse_to_join(settings, head=place.head, head_at=place.gcs_address, tell=say)
        _refuse_taken_ports(options, place)
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        ray_token_file(settings)
        os.environ.setdefault(NAMESPACE, _name_in_redis(settings, place.gcs_address))
        _raise_descriptors(say)
        node = ray_node.start(place)
    except (Misconfigured, Unavailable, Conflict) as problem:
        raise _named(problem, place.address) from None
    say(f"{_name(node.address)} runs as {'the head' if node.head else f'a worker of {node.gcs_address}'}")
    return node


def stop(settings: Settings, say: Callable[[str], None]) -> None:
    """End the node's Ray: by its supervisor where it has one (`run`), which drains it first. Blocks."""
    ran = ray_node.running(settings.data_dir)
    supervised = _supervised(settings)
    ray_node.stop(settings.data_dir)  # a supervisor that was still starting it has left it running
    if ran is not None:
        say(f"{_name(ran.address)} has stopped")
    else:
        say(f"{_name(None)} {'has stopped' if supervised else 'does not run'}")


def run(options: NodeOptions, settings: Settings, say: Callable[[str], None]) -> int:
    """Start the node, stay with it, drain and stop it at SIGTERM; on the head, deploy the service too. Returns the
    exit code: 0 after a signal, 1 where its Ray has ended by itself."""
    signals = StopSignals()
    with held(_lock_file(settings, SUPERVISOR_LOCK)) as holder:
        if holder is not None:
            raise _named(Misconfigured(f"process {holder} runs this node already"), options.address)
        try:
            node = _begun(options, settings, signals, say)
        except StartInterrupted:
            ray_node.stop(settings.data_dir)
            say(f"{_name(options.address)} has stopped before its start was complete")
            return 0
        signals.install()
        look_at = time.monotonic() + MEMBER_S
        while not signals.wait(WATCH_S):
            if time.monotonic() >= look_at:
                look_at = time.monotonic() + MEMBER_S
                if _given_up(node):
                    say(f"{_name(node.address)}: the cluster has given this node up; what is left is stopped")
                    ray_node.stop(settings.data_dir)
                    return 1
            if not node.lives or ray_node.running(settings.data_dir) is None:
                say(f"{_name(node.address)}: its Ray has ended; what is left is stopped")
                ray_node.stop(settings.data_dir)
                return 1
        say(f"draining: what runs here gets up to {settings.drain_timeout_s:g} s")
        try:
            leave(settings, node, say)
        except AragoraError as error:  # it is to end all the same, and the journal keeps its debates
            say(f"warning: not drained: {error.message}")
        ray_node.stop(settings.data_dir)
        say(f"{_name(node.address)} has stopped")
    return 0


def _begun(options: NodeOptions, settings: Settings, signals: StopSignals, say: Callable[[str], None]) -> RunningNode:
    """The node, and on the head the service. Raises StartInterrupted where a signal asked it to end meanwhile,
    Misconfigured where a person must decide: another cluster serves the database, and trying again is no use."""
    node = start(options, settings, say)
    signals.check()
    if node.head:
        try:
            signals.during(lambda: deploy(settings, say))
        except Conflict as refused:
            ray_node.stop(settings.data_dir)
            raise _named(Misconfigured(refused.message), node.address) from None
    return node


def _given_up(node: RunningNode) -> bool:
    ray_node.take_settings_of(node)
    from actors.membership import given_up  # noqa: PLC0415 - imports Ray, whose environment is set now

    return given_up(node.gcs_address, node.address)


def own_address_towards(host: str) -> str:
    """The address with which this machine speaks to a host. Nothing is sent. Raises Misconfigured."""
    try:
        (family, kind, *_, at), *_ = socket.getaddrinfo(host, GCS_PORT, type=socket.SOCK_DGRAM)
        with socket.socket(family, kind) as probe:
            probe.connect(at)
            return str(probe.getsockname()[0])
    except OSError as error:
        raise Misconfigured(f"no way to {host} ({error.strerror or error}): is the address right?") from None


def _place(options: NodeOptions, settings: Settings) -> Place:
    bind = Listening.on(options.host).bind(options.http_port, options.ws_port)
    if options.head is None:
        address = options.address or _address_of_head(options.launcher_config, settings)
        return Place(settings.data_dir, address, authority(address, GCS_PORT), bind, _existing(options.launcher_config))
    host, _, port = options.head.rpartition(":") if options.head.count(":") == 1 else (options.head, "", "")
    if port and not port.isdigit():
        raise Misconfigured(f"--address {options.head}: {port!r} is no port; give the head's address")
    return Place(
        settings.data_dir,
        options.address or own_address_towards(host),
        authority(_address_of(host), int(port or GCS_PORT)),
        bind,
    )


def _name_in_redis(settings: Settings, gcs_address: str) -> str:
    """Under which name the head's state is kept where it is kept in Redis: the installation's own, and this head's. A
    second cluster of the installation would read the state of the first."""
    told = f"{NAMESPACE} {gcs_address}".encode()
    return f"aragora-{hmac.digest(derived_token(settings).encode(), told, 'sha256').hex()[:16]}"


def _refuse_taken_ports(options: NodeOptions, place: Place) -> None:
    problems = [*port_problems(options.host, (options.http_port, options.ws_port))]
    if place.head:
        problems += port_problems(place.address, (GCS_PORT,))
        problems += port_problems("127.0.0.1", (ray_node.DASHBOARD_PORT,))
    if problems:
        raise Misconfigured("\n".join(problems))


def _raise_descriptors(say: Callable[[str], None]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS:
        say(f"warning: {_name(None)} may open {hard} files, a busy node wants {DESCRIPTORS}: raise `ulimit -Hn`")


def _lock_file(settings: Settings, name: Path) -> Path:
    """On a fresh node its directory is not there yet. Raises Misconfigured where it cannot be made."""
    file = settings.data_dir / name
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(
            f"{_name(None)}: {file.parent} cannot be made ({error.strerror}): give {settings.data_dir} to the user who "
            "runs this (chown)"
        ) from None
    return file


def _supervised(settings: Settings) -> bool:
    """Whether the node had a supervisor, which was told to end and has ended."""
    with held(_lock_file(settings, SUPERVISOR_LOCK)) as holder:
        if holder is None or not holder.isdigit():
            return False
        supervisor = psutil.Process(int(holder))
    supervisor.terminate()
    limit_s = settings.drain_timeout_s + ENDED_S
    _, left = psutil.wait_procs([supervisor], timeout=limit_s)
    if left:
        raise Unavailable(f"process {holder}, which runs this node, has not ended after {limit_s:g} s")
    return True


def _address_of_head(launcher_config: Path | None, settings: Settings) -> str:
    """The address by which `ray up` knows the head; without it the one with which this machine speaks to the database
    that all nodes share. Raises Misconfigured."""
    launched = None if launcher_config is None else machines(launcher_config)
    if launched is not None:
        return _address_of(launched.head)
    database = None if settings.database_url is None else make_url(settings.database_url.get_secret_value()).host
    found = own_address_towards(database) if database else "127.0.0.1"
    if ip_address(found).is_loopback:
        raise Misconfigured("which address do the other nodes know this one by? Give it: --node-address ADDRESS")
    return found


def _address_of(host: str) -> str:
    """Raises Misconfigured where nobody knows the name."""
    try:
        return str(socket.getaddrinfo(host, GCS_PORT, type=socket.SOCK_STREAM)[0][4][0])
    except (OSError, UnicodeError):
        raise Misconfigured(f"{host} is no address and no known name: give the head's address") from None


def _existing(file: Path | None) -> Path | None:
    return file if file is not None and file.exists() else None


def _name(address: str | None) -> str:
    host = platform.node()
    return f"node {host} ({address})" if address else f"node {host}"


def _named(problem: AragoraError, address: str | None) -> AragoraError:
    """The same error, each line of which says on which machine it is."""
    lines = (f"{_name(address)}: {line}" for line in problem.message.splitlines())
    return type(problem)("\n".join(lines), code=problem.code, retry_after_s=problem.retry_after_s)
