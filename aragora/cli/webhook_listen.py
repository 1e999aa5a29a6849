"""`aragora webhooks listen`: a receiver on this machine that shows every delivery and checks its signatures. It needs
no server, and talks to nobody."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated, Final

import typer

from aragora.cli.conventions import DONE, secret_in
from aragora.cli.rendering.plain import plain
from aragora.cli.rendering.terminal import print_json, terminal
from aragora.cli.rendering.webhooks import received_block, received_document
from aragora.cli.webhook_receiver import Received, Receiver, Tally
from aragora.clock import SystemClock
from aragora.texts import counted
from aragora.webhooks.checking import check_readable

SECRET_VARIABLE: Final = "WEBHOOK_SECRET"  # noqa: S105  a name
PORT: Final = 8085
ALLOWED: Final = "ARAGORA_WEBHOOK_ALLOWED_NETWORKS"


def listen(
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = PORT,
    host: Annotated[str, typer.Option(help="Address to listen on.", metavar="ADDRESS")] = "127.0.0.1",
    secret_file: Annotated[
        Path | None,
        typer.Option(
            help=(
                "File with the webhook's secret or public key, - for standard input; unset: the variable "
                f"{SECRET_VARIABLE}."
            ),
            metavar="FILE",
        ),
    ] = None,
    status: Annotated[int, typer.Option(min=200, max=599, help="Code to answer with.")] = 200,
    body: Annotated[bool, typer.Option("--body", help="Print what was sent, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document for each, on a line.")] = False,
) -> None:
    """Receive webhooks here, and say whether they are genuine. Challenges are answered. Ctrl-C ends it."""
    secret = secret_in(secret_file) if secret_file is not None else os.environ.get(SECRET_VARIABLE) or None
    if secret is not None:
        check_readable(secret)
    console = terminal()

    def show(received: Received) -> None:
        if as_json:
            print_json(received_document(received))
        else:
            console.print(received_block(received, with_body=body))

    receiver = Receiver(secret, status, show, SystemClock())
    asyncio.run(_until_stopped(receiver, host, port, checks=secret is not None))
    _say(_summary(receiver.tally, checks=secret is not None))
    raise typer.Exit(DONE)


async def _until_stopped(receiver: Receiver, host: str, port: int, *, checks: bool) -> None:
    stopping = asyncio.Event()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)

    def begun(url: str) -> None:
        _say(f"Listening at {url} - Ctrl-C ends it.")
        if _is_loopback(host):
            _say(f"A server on this machine delivers here if it was started with {ALLOWED}={host}/{_bits(host)}")
        else:
            _say("Whoever reaches this address can post here.")
        if not checks:
            _say(f"No signature is checked: give --secret-file FILE, or set {SECRET_VARIABLE}.")

    await receiver.serve(host, port, stopping, begun)


def _summary(tally: Tally, *, checks: bool) -> str:
    """What came, in a line."""
    told = f"Received {counted(tally.received, 'request')}"
    if checks and tally.received:
        told += f": {tally.genuine} genuine, {tally.received - tally.genuine} not"
    return f"{told}; {tally.repeated} with a webhook-id that had come before." if tally.repeated else f"{told}."


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _bits(host: str) -> int:
    return ipaddress.ip_address(host).max_prefixlen


def _say(text: str) -> None:
    """To standard error: the output is what came."""
    sys.stderr.write(f"{plain(text)}\n")
    sys.stderr.flush()
