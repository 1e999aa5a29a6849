"""What is checked before anything starts: secrets, data directory, ports, and that no other server uses the data."""

from __future__ import annotations

import errno
import os
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

from actors.cluster import AUTH_MODE
from aragora.agents import catalog
from aragora.composition.listening import Listening
from aragora.config import unknown
from aragora.config.settings import Settings, production_problems
from aragora.errors import Misconfigured
from aragora.identity.origins import authority
from aragora.private_files import repair
from aragora.storage.serving import LOCK_FILE, held
from aragora.texts import counted

LEFTOVER_WAIT_S: Final = 10.0
SERVER_OF: Final = "ARAGORA_SERVER_OF"
"""Environment variable that every process of a server carries: the data directory it serves."""


def refuse_to_start(settings: Settings, host: str, ports: Sequence[int]) -> None:
    """Raises Misconfigured with one line per problem that would keep the server from working."""
    problems = [*production_problems(settings)] if settings.production else []
    problems += _directory_problems(settings.data_dir) or _agents_problems(settings)
    problems += port_problems(host, ports) if ports else ()
    if len(set(ports)) < len(ports):
        problems.append(
            f"HTTP and WebSocket both want port {ports[0]}: give one of them another with --api-port or --ws-port"
        )
    if problems:
        raise Misconfigured("\n".join(problems))


@contextmanager
def single_instance(data_dir: Path) -> Iterator[None]:
    """Hold the data directory for this process; end what a killed server may have left running on it.

    Raises Misconfigured while another server holds it, or where the lock file cannot be opened.
    """
    with held(data_dir / LOCK_FILE) as holder:
        if holder is not None:
            raise Misconfigured(
                f"another server (process {holder}) uses the data directory {data_dir}: "
                "stop it, or choose another with --data-dir"
            )
        _end_leftovers(data_dir)
        os.environ[SERVER_OF] = str(data_dir)
        yield


def refuse_other_ray(settings: Settings) -> None:
    """Raises Misconfigured where a server on one machine would not have a guarded Ray of its own. A local head asks for
    a token unless it is told not to."""
    problems = list(ray_problems(settings))
    if problems:
        raise Misconfigured("\n".join(problems))


def ray_problems(settings: Settings) -> Iterator[str]:
    """What keeps a server on one machine from a guarded Ray of its own, a line each."""
    mode = os.environ.get(AUTH_MODE, "").strip().lower()
    if settings.production and mode not in ("", "token"):
        yield f"{AUTH_MODE} is {mode!r}: whoever reaches a port of Ray's would run code as the server; unset it"
    if settings.ray_address is not None:
        yield (
            "RAY_ADDRESS names a cluster, which `aragora cluster deploy` serves (docs/cluster.md): unset RAY_ADDRESS to "
            "serve on this machine alone"
        )


def close_to_others(data_dir: Path) -> Iterator[str]:
    """Take the rights of other users from what the server keeps in the data directory; a line about what was open, one
    about what stays open."""
    found = repair(data_dir)
    if found.closed:
        yield f"closed to other users in {data_dir}: {counted(found.closed, 'file or directory', 'files or directories')}"
    if found.left:
        more = f" and {len(found.left) - 1} more" if found.left[1:] else ""
        yield f"warning: other users can still open {found.left[0]}{more}: chown it to the server's user, then chmod -R go="


def misspelt(settings: Settings) -> Iterator[str]:
    """A line about each variable that looks like a setting and has no effect; never its value."""
    try:
        named = catalog.check(settings).key_variables
    except Misconfigured:  # `refuse_to_start` tells it
        named = frozenset()
    for problem, mend in unknown.told(os.environ, named):
        yield f"warning: {problem}. {mend}"


def _agents_problems(settings: Settings) -> list[str]:
    try:
        catalog.check(settings)
    except Misconfigured as wrong:
        return wrong.message.splitlines()
    return []


def _directory_problems(data_dir: Path) -> list[str]:
    probe = data_dir / f".writable-{os.getpid()}"
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        problem = f"the data directory {data_dir} cannot be written ({error.strerror})"
        return [f"{problem}: make it writable, or choose another with --data-dir or ARAGORA_DATA_DIR"]
    return []


def port_problems(host: str, ports: Sequence[int]) -> Iterator[str]:
    """What keeps this machine from listening at a host's addresses, a line for each port."""
    try:
        addresses = Listening.on(host).addresses
    except Misconfigured as problem:
        yield problem.message
        return
    for port in ports:
        found = next(filter(None, (_port_problem(address, port) for address in addresses)), None)
        if found is not None:
            yield found


def _port_problem(address: str, port: int) -> str | None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return f"port {port} is in use: stop what uses it, or choose another with --api-port or --ws-port"
            where = authority(address, port)
            return f"cannot listen on {where} ({error.strerror}): choose another with --host or --api-port"
    return None


def _end_leftovers(data_dir: Path) -> None:
    """Processes of an earlier server on this data directory carry it in their environment; a server that was killed
    with SIGKILL cannot end them itself."""
    leftovers = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(SERVER_OF) == str(data_dir):
                process.send_signal(signal.SIGKILL)
                leftovers.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    psutil.wait_procs(leftovers, timeout=LEFTOVER_WAIT_S)
