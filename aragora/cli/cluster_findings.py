"""What `aragora doctor --cluster` finds out about this machine's node of a cluster: its settings beside those of the
other nodes, its token, limits, clock and ports, and which nodes Ray knows."""

from __future__ import annotations

import asyncio
import os
import resource
import secrets
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

import psutil

from actors.ray_node import DASHBOARD_PORT, GCS_PORT, NODE_OF, RunningNode
from aragora.cli.findings import Finding, fault, ok, warning
from aragora.cluster.clock import REMEDY, clock_ahead_s, told_clock
from aragora.cluster.needed import missing_for_cluster
from aragora.cluster.token import derived_token, operators_token, token_file
from aragora.cluster.versions import unlike
from aragora.composition.cluster.joining import compare
from aragora.composition.cluster.node import DESCRIPTORS
from aragora.composition.cluster.versions import versions_at, versions_here
from aragora.config.legacy import HTTP_PORT, WS_PORT
from aragora.config.settings import Settings
from aragora.errors import AragoraError
from aragora.private_files import OTHERS
from aragora.storage.contexts import Context, Location
from aragora.storage.diagnosis import diagnose

SERVING_PORTS: Final = (HTTP_PORT, WS_PORT)
HEADS_PORTS: Final = (GCS_PORT, DASHBOARD_PORT)
_AT_THAT_NODE: Final = "Call there: aragora doctor --cluster. Where nothing serves yet: aragora cluster deploy."


class SeenNode(Protocol):
    """A node as Ray sees it."""

    @property
    def address(self) -> str: ...

    @property
    def role(self) -> str: ...

    @property
    def state(self) -> str:
        """`ready` where it takes requests."""
        ...


NodesOf = Callable[[Settings], Sequence[SeenNode]]
"""Asks Ray for the nodes of the cluster. Blocks. Raises Unavailable."""


async def node_findings(settings: Settings, node: RunningNode | None) -> list[Finding]:
    """What is right and wrong with this machine's node; `node` is what runs of it."""
    found = [ok("node", f"{node.address} runs, head at {node.gcs_address}")] if node else [ok("node", "none runs here")]
    found += needed(settings)
    found += await identity(settings)
    found += await asyncio.to_thread(lambda: [*versions(node), *token(settings), *open_files(), *ports(settings)])
    if settings.database_url is not None:
        found.append(await clock(settings))
    if settings.redis_url is None:
        told = "ARAGORA_REDIS_URL is not set: each replica counts its own limits"
        found.append(warning("redis", told, "Set it, and all nodes count together."))
    return found


def needed(settings: Settings) -> list[Finding]:
    """The settings without which no node joins."""
    lines = missing_for_cluster(settings)
    return [_split("cluster settings", line) for line in lines] or [ok("cluster settings", "all there")]


async def identity(settings: Settings) -> list[Finding]:
    """Whether this node has the secrets of the others, where all are set."""
    if missing_for_cluster(settings):
        return []
    try:
        found = await compare(settings)
    except AragoraError as problem:
        return [_split("identity", line) for line in problem.message.splitlines()]
    if found is None:
        told = "no node has joined yet: the first head makes its secrets those of the installation"
        return [warning("identity", told, "Start the head: aragora node start --head.")]
    differing = [_split("identity", line) for line in found.refused]
    differing += [warning("identity", line, "Mend it, if it is not an upgrade under way.") for line in found.told]
    return differing or [ok("identity", "the secrets are those of the other nodes")]


def versions(node: RunningNode | None) -> Iterator[Finding]:
    """Python and Ray, beside those of the head where a node runs here. Blocks."""
    here = versions_here()
    told = f"Python {here.python}, Ray {here.ray}"
    if node is None:
        yield ok("versions", told)
        return
    try:
        lines = unlike(here, versions_at(node.gcs_address, node.raylet.environ()))
    except (AragoraError, psutil.Error) as problem:
        yield fault("head", getattr(problem, "message", "the node has just ended"), "See docs/cluster.md.")
        return
    yield from (_split("versions", line) for line in lines)
    if not lines:
        yield ok("versions", f"{told}, as the head")


def token(settings: Settings) -> Iterator[Finding]:
    """Whether Ray's token is there, closed to others, and that of the installation."""
    file = token_file(settings)
    try:
        if operators_token(settings, os.environ) is not None:
            yield ok("ray token", "the operator's own (RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH)")
            return
        mode = file.stat().st_mode | file.parent.stat().st_mode
        kept = file.read_text(encoding="utf-8", errors="replace").strip()
    except AragoraError as problem:
        yield _split("ray token", problem.message)
        return
    except FileNotFoundError:
        yield ok("ray token", f"not yet in {file}: the node's start puts it there")
        return
    except OSError as error:
        yield fault("ray token", f"{file} cannot be read ({error.strerror})", "Run this as the user of the node.")
        return
    if mode & OTHERS:
        yield fault("ray token", f"other users can open {file}", f"chmod 600 {file}; chmod 700 {file.parent}")
    elif settings.jwt_secret is not None and not secrets.compare_digest(
        kept.encode(), derived_token(settings).encode()
    ):
        yield fault("ray token", f"{file} does not hold the token of these settings", "Stop the node and start it.")
    else:
        yield ok("ray token", f"{file}, closed to others")


def open_files() -> Iterator[Finding]:
    """How many files a process that is started here may open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = hard if soft < DESCRIPTORS else soft  # the node's start raises the one to the other
    told = f"{soft} of at most {hard}" if hard != resource.RLIM_INFINITY else str(soft)
    if most != resource.RLIM_INFINITY and most < DESCRIPTORS:
        mend = f"LimitNOFILE={DESCRIPTORS} in the unit, or nofile in /etc/security/limits.conf."
        yield warning("open files", f"{told}; a busy node wants {DESCRIPTORS}", mend)
    else:
        yield ok("open files", told)


async def clock(settings: Settings) -> Finding:
    """This machine's clock beside PostgreSQL's."""
    location = Location.of(settings, Context.CORE)
    try:
        return clock_of(await clock_ahead_s(location))
    except Exception as error:  # noqa: BLE001 - every error of the driver is a finding
        found = diagnose(error, location)
        return fault("clock", found.told, f"{found.mend[:1].upper()}{found.mend[1:]}.")


def clock_of(ahead_s: float) -> Finding:
    """The finding for a clock that is `ahead_s` seconds ahead."""
    told = told_clock(ahead_s)
    if not told:
        return ok("clock", f"{abs(ahead_s):.1f} s from that of PostgreSQL")
    return warning("clock", told, f"{REMEDY[:1].upper()}{REMEDY[1:]}.")


def ports(settings: Settings) -> Iterator[Finding]:
    """Whether a node's ports are free, or this node's own."""
    data_dir = str(settings.data_dir)
    listeners = _listeners()
    for port in (*SERVING_PORTS, *HEADS_PORTS):
        if _is_free(port):
            yield ok(f"port {port}", "free")
            continue
        owner = listeners.get(port)
        name = "another process" if owner is None else f"{owner.name()} (process {owner.pid})"
        if owner is not None and _belongs_to_node(owner, data_dir):
            yield ok(f"port {port}", f"this node's own: {name}")
            continue
        mend = f"Stop what listens there (ss -ltnp 'sport = :{port}')."
        if port in HEADS_PORTS:
            yield warning(f"port {port}", f"in use by {name}; the head needs it", mend)
        else:
            yield fault(f"port {port}", f"in use by {name}", mend)


def nodes(settings: Settings, nodes_of: NodesOf) -> list[Finding]:
    """The nodes of the cluster whose node runs here, as Ray sees them. Blocks."""
    try:
        seen = nodes_of(settings)
    except AragoraError as problem:
        return [_split("nodes", problem.message)]
    return [
        ok(f"{node.role} {node.address}", node.state)
        if node.state == "ready"
        else warning(f"{node.role} {node.address}", node.state, _AT_THAT_NODE)
        for node in seen
    ] or [warning("nodes", "Ray tells none", "See docs/cluster.md.")]


def _split(subject: str, line: str) -> Finding:
    """A line "what is wrong: what to do" as a fault."""
    told, _, mend = line.partition(": ")
    return fault(subject, told, f"{mend[:1].upper()}{mend[1:]}." if mend else "See docs/cluster.md.")


def _is_free(port: int) -> bool:
    """On every address: the node's processes listen on several."""
    try:
        socket.create_server(("", port)).close()
    except OSError:
        return False
    return True


def _listeners() -> dict[int, psutil.Process]:
    """The processes that listen, by port, as far as this user may know."""
    found: dict[int, psutil.Process] = {}
    try:
        for connection in psutil.net_connections("tcp"):
            port = getattr(connection.laddr, "port", None)
            if connection.status == psutil.CONN_LISTEN and connection.pid and port is not None:
                found[port] = psutil.Process(connection.pid)
    except psutil.Error:
        return found
    return found


def _belongs_to_node(process: psutil.Process, data_dir: str) -> bool:
    try:
        return process.environ().get(NODE_OF) == data_dir
    except psutil.Error:
        return False
