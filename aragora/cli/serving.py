"""`aragora serve`: the command in front of the server.

It replaces itself by `python -m aragora.server`, so that operators find the server by that name (the runbook's
`pgrep -f "aragora.server"`) and systemd keeps watching the process it started.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer


def serve(
    *,
    api_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of HTTP, and of WebSocket under /ws.")] = 8080,
    ws_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of WebSocket alone.")] = 8765,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    workers: Annotated[
        int | None, typer.Option(min=1, help="HTTP ingress replicas; unset: as many as fit the machine.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Databases and keys; unset: ARAGORA_DATA_DIR or .nomic.")
    ] = None,
) -> None:
    """Start the server and show its progress until it takes work. Ctrl-C or SIGTERM drains it, twice stops it at once."""
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
    os.execv(command[0], command)  # noqa: S606 - the interpreter that runs this, with arguments typer has checked
