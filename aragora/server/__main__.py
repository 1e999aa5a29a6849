"""`python -m aragora.server --http-port 8080 --port 8765`: the server's own process."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from aragora.composition.process import Options, serve
from aragora.config.legacy import HOST, HTTP_PORT, WS_PORT


def options_of(arguments: Sequence[str]) -> Options:
    """The command line; argparse ends the process with code 2 where it is wrong."""
    parser = argparse.ArgumentParser(prog="python -m aragora.server", description="Run the Aragora server.")
    parser.add_argument("--http-port", type=_port, default=HTTP_PORT, help="port of HTTP, and of WebSocket under /ws")
    parser.add_argument("--port", type=_port, default=WS_PORT, help="port of WebSocket alone")
    parser.add_argument("--host", default=HOST, help="address to listen on; 0.0.0.0 for all")
    parser.add_argument("--workers", type=int, default=None, help="HTTP ingress replicas")
    parser.add_argument("--data-dir", type=Path, default=None, help="directory of databases and keys")
    given = parser.parse_args(arguments)
    return Options(given.http_port, given.port, given.host, given.workers, given.data_dir)


def _port(text: str) -> int:
    port = int(text)
    if not 1 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{port} is no port: use 1 to 65535")
    return port


if __name__ == "__main__":
    sys.exit(serve(options_of(sys.argv[1:])))
