"""`aragora cluster`: the service on all nodes of a cluster, called on one of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from actors import ray_node
from actors.launcher_config import CONFIG, machines
from aragora.cli.conventions import AsJson, DataDir
from aragora.cli.rendering.plain import progress
from aragora.cli.rendering.terminal import print_json, say, terminal
from aragora.composition.cluster import deploying, describing, draining, moving, stopping
from aragora.composition.cluster.connection import connected
from aragora.composition.cluster.deploying import Serving
from aragora.composition.cluster.describing import Description
from aragora.composition.cluster.status import MISSING, NodeStatus
from aragora.composition.cluster.status import status as look
from aragora.config.settings import settings_in
from aragora.encoding import to_plain
from aragora.errors import Unavailable
from aragora.private_files import make_files_private
from aragora.texts import counted

SILENT: Final = "has said nothing yet; on the head, see /tmp/ray/session_latest/logs/monitor.out"

command: Final = typer.Typer(
    help="Deploy, show, drain and stop the service of a cluster, from one of its nodes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@command.command()
def deploy(
    *,
    nodes: Annotated[
        int | None, typer.Option(min=1, help="How many nodes to wait for; unset: those of `ray up`, or who has joined.")
    ] = None,
    wait: Annotated[float, typer.Option(min=0.0, help="How long to wait for them, in seconds.")] = deploying.SERVES_S,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Exit with 0, and a warning, where nodes are missing.")
    ] = False,
    instead_of: Annotated[
        str | None,
        typer.Option(metavar="HEAD", help="The head of another cluster that served this database and is off for good."),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Migrate the database, start the service on all nodes, and return once they take requests.

    Where it runs already, from this release and with these settings, nothing changes. Exit code 3: nodes are missing;
    the others serve.
    """
    make_files_private()
    launched = machines(CONFIG.expanduser())
    wanted = nodes or (1 if launched is None else 1 + launched.wanted)
    serving = deploying.deploy(
        settings_in(data_dir), progress, nodes=wanted, limit_s=wait, launched=launched, dead=instead_of
    )
    if serving.complete(wanted):
        return
    told = "\n".join(incomplete(serving, wanted))
    if not allow_missing or not serving.ready:
        raise Unavailable(told)
    sys.stderr.write(f"warning: {told}\n")


@command.command()
def status(*, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show every node: its state and what runs on it."""
    found = look(settings_in(data_dir), machines(CONFIG.expanduser()))
    if as_json:
        print_json(to_plain(found))
        return
    console = terminal()
    for line in (*table(found), *reasons(found)):
        console.print(say(line))


@command.command()
def drain(
    *,
    node: Annotated[str, typer.Argument(metavar="NODE", help="The node's address, or the beginning of its id.")],
    data_dir: DataDir = None,
) -> None:
    """Take a node out of service: its work moves to the others, and no request fails. Then stop it there."""
    draining.drain(settings_in(data_dir), node, progress)


@command.command()
def rebalance(*, data_dir: DataDir = None) -> None:
    """Even out coordinators and their agents over the nodes, after one has joined or come back."""
    settings = settings_in(data_dir)
    with connected(settings):
        moved = moving.even_out(settings)
    progress(
        f"{counted(moved, 'coordinator')} moved" if moved else "nothing has moved: no node has two more than another"
    )


@command.command("stand-by")
def stand_by(*, data_dir: DataDir = None) -> None:
    """Bring up all but what takes debates, on a cluster that does not serve; `deploy` does the rest in a moment."""
    make_files_private()
    deploying.stand_by(settings_in(data_dir), progress)


@command.command()
def undeploy(
    *,
    keep_reads: Annotated[
        bool,
        typer.Option("--keep-reads", help="Leave the ingress, which answers reads; called again without, it ends."),
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Drain the service and end it; the nodes stay. `deploy` brings it back, here or on another cluster."""
    end = stopping.to_standby if keep_reads else stopping.undeploy
    end(settings_in(data_dir), progress)


@command.command()
def describe(*, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show what this cluster is: its versions, its database and schema, and which cluster serves that."""
    found = describing.describe(settings_in(data_dir))
    if as_json:
        print_json(to_plain(found))
        return
    console = terminal()
    for name, value in told(found):
        console.print(say(f"{name:<13} {value}"))


@command.command()
def stop(*, data_dir: DataDir = None) -> None:
    """Drain the service and end every node; called on the head."""
    stopping.stop(settings_in(data_dir), progress)


@command.command()
def env(
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write; it must not exist.")] = Path(".env"),
) -> None:
    """Write the settings that a cluster needs, with fresh secrets, for all of its nodes."""
    from aragora.cluster.environment_file import write_fresh_environment  # noqa: PLC0415

    write_fresh_environment(file)
    progress(f"{file} is written: fill in DATABASE_URL, and copy it to /opt/aragora/.env of every node (mode 600)")


@command.command("adopt")
def adopt_secrets(*, data_dir: DataDir = None) -> None:
    """Make this node's changed secrets those of the installation, while the other nodes are stopped."""
    from aragora.composition.cluster.joining import adopt  # noqa: PLC0415

    settings = settings_in(data_dir)
    running = [node.address for node in look(settings)] if ray_node.running(settings.data_dir) else []
    changed = adopt(settings, running)
    progress(f"the installation has this node's {', '.join(changed)} now" if changed else "nothing has changed")


def told(found: Description) -> list[tuple[str, str]]:
    """The rows of `describe`."""
    schema = (
        "a new generation is pending" if found.generation_begins else f"{counted(found.pending, 'migration')} pending"
    )
    return [
        ("head", found.head),
        ("nodes", ", ".join(found.nodes)),
        ("release", found.release),
        ("Ray", found.ray),
        ("Python", found.python),
        ("installation", found.installation or "not founded yet"),
        ("schema", schema if found.pending else "up to date"),
        ("serves", found.serves or "no cluster"),
        *(("problem", problem) for problem in found.problems),
    ]


def table(nodes: Sequence[NodeStatus]) -> list[str]:
    """Lines of at most 80 columns."""
    rows = [("address", "role", "state", "ingress", "coordinators", "agents")]
    rows += [(node.address, node.role, node.state, *_parts_of(node)) for node in nodes]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def reasons(nodes: Sequence[NodeStatus]) -> list[str]:
    """What machines that are missing have said, below the table; nothing where none is."""
    told = [f"{node.address}: {reason}" for node in nodes for reason in node.reasons]
    silent = [node.address for node in nodes if node.state == MISSING and not node.reasons]
    told += [f"{address}: {SILENT}" for address in silent]
    return ["", *told] if told else []


def incomplete(serving: Serving, wanted: int) -> list[str]:
    """What `deploy` says where nodes are missing: a line for each of them, below one about all."""
    there = f"{len(serving.ready)} of {wanted} nodes take requests"
    lines = [f"{address}: has joined, and does not take requests yet" for address in serving.waiting]
    for machine in serving.missing:
        lines += [f"{machine.address}: {reason}" for reason in machine.reasons or (SILENT,)]
    if serving.missing:
        return [f"{there}; the head keeps trying to start the others:", *lines]
    return [f"{there}: see `aragora cluster status`", *lines]


def _parts_of(node: NodeStatus) -> tuple[str, str, str]:
    if node.state == MISSING:
        return "-", "-", "-"
    return str(node.replicas), str(node.coordinators), str(node.agents)
