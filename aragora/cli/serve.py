"""`aragora serve`: the command in front of the server.

It replaces its process by `python -m aragora.server`: operators find the server by that name (the runbook's
`pgrep -f "aragora.server"`), and systemd keeps watching the process that it started.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from aragora.cli.conventions import DataDir
from aragora.config.legacy import HOST, HTTP_PORT, WS_PORT


def serve(
    *,
    api_port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of HTTP, and of WebSocket under /ws.")
    ] = HTTP_PORT,
    ws_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of WebSocket alone.")] = WS_PORT,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = HOST,
    workers: Annotated[
        int | None, typer.Option(min=1, help="HTTP ingress replicas; unset: as many as fit the machine.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Start the server and show its progress until it takes work.

    Ctrl-C or SIGTERM drains it; a second one stops it at once.
    """
    command = [
        sys.executable,
        "-m",
        "aragora.server",
        "--http-port",
        str(api_port),
        "--port",
        str(ws_port),
        "--host",
        host,
    ]
    if workers is not None:
        command += ["--workers", str(workers)]
    if data_dir is not None:
        command += ["--data-dir", str(data_dir)]
    sys.stdout.flush()
    os.execv(command[0], command)  # noqa: S606  this interpreter, with arguments that typer has checked
