"""`aragora node`: this machine's node of a cluster, started and stopped."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from actors.launcher_config import CONFIG
from aragora.cli.conventions import DataDir
from aragora.cli.rendering.plain import progress
from aragora.composition.cluster import node
from aragora.composition.cluster.node import EVERYWHERE, NodeOptions
from aragora.config.legacy import HTTP_PORT, WS_PORT
from aragora.config.settings import settings_in
from aragora.errors import InvalidInput
from aragora.private_files import make_files_private

command: Final = typer.Typer(
    help="Start and stop this machine's node of a cluster.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Head = Annotated[bool, typer.Option("--head", help="This node is the head.")]
Address = Annotated[
    str | None, typer.Option("--address", help="The head's address; its GCS is on 6380.", metavar="HOST[:PORT]")
]
NodeAddress = Annotated[
    str | None,
    typer.Option("--node-address", help="By which address the other nodes reach this one.", metavar="ADDRESS"),
]
Host = Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")]
ApiPort = Annotated[int, typer.Option(min=1, max=65535, help="Port of HTTP, and of WebSocket under /ws.")]
WsPort = Annotated[int, typer.Option(min=1, max=65535, help="Port of WebSocket alone.")]


@command.command()
def start(
    *,
    head: Head = False,
    address: Address = None,
    node_address: NodeAddress = None,
    host: Host = EVERYWHERE,
    api_port: ApiPort = HTTP_PORT,
    ws_port: WsPort = WS_PORT,
    data_dir: DataDir = None,
) -> None:
    """Start it, and return once it has joined. Where it runs already nothing changes."""
    make_files_private()
    node.start(
        _options(head=head, address=address, node_address=node_address, host=host, api_port=api_port, ws_port=ws_port),
        settings_in(data_dir),
        progress,
    )


@command.command()
def run(
    *,
    head: Head = False,
    address: Address = None,
    node_address: NodeAddress = None,
    host: Host = EVERYWHERE,
    api_port: ApiPort = HTTP_PORT,
    ws_port: WsPort = WS_PORT,
    data_dir: DataDir = None,
) -> None:
    """Start it and stay with it, for systemd: SIGTERM drains this node and stops it.

    The head also deploys the service. Where the node's Ray ends by itself, so does this command, with code 1.
    """
    make_files_private()
    options = _options(
        head=head, address=address, node_address=node_address, host=host, api_port=api_port, ws_port=ws_port
    )
    raise typer.Exit(node.run(options, settings_in(data_dir), progress))


@command.command()
def stop(*, data_dir: DataDir = None) -> None:
    """End this node's Ray and what runs in it, and no other Ray of this machine."""
    node.stop(settings_in(data_dir), progress)


def _options(
    *, head: bool, address: str | None, node_address: str | None, host: str, api_port: int, ws_port: int
) -> NodeOptions:
    if head == (address is not None):
        raise InvalidInput("Give either --head or --address HOST, the head's.")
    launchers = CONFIG.expanduser() if head else None
    return NodeOptions(address, node_address, host, api_port, ws_port, launchers)
