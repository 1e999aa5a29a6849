"""A server for the length of one command: started on free ports, and stopped with all that it started.

Its output goes to a log file; the end of the file is shown when the server does not start. The server runs in a
session of its own, so that Ctrl-C reaches only the command, which then stops the server in order.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from aragora.client import AragoraClient
from aragora.errors import Unavailable
from aragora.free_ports import free_ports

START_DEADLINE_S: Final = 90.0
STOP_DEADLINE_S: Final = 20.0
DRAIN_TIMEOUT_S: Final = "5"  # seconds; a debate that still runs was interrupted by its user
POLL_S: Final = 0.1
LOG_TAIL_LINES: Final = 15


@asynccontextmanager
async def local_server(log: Path, environment: Mapping[str, str]) -> AsyncIterator[str]:
    """The URL of a server that takes work, until the block ends.

    The server sees `environment` and not that of this process. Raises Unavailable, with the end of the log, where the
    server does not start.
    """
    http_port, ws_port = free_ports(2)
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "aragora.server", "--http-port", str(http_port), "--port", str(ws_port)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            env={**environment, "ARAGORA_DRAIN_TIMEOUT_S": DRAIN_TIMEOUT_S},
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{http_port}"
        await _until_ready(process, url, log)
        yield url
    finally:
        await _stop(process)


async def _until_ready(process: asyncio.subprocess.Process, url: str, log: Path) -> None:
    try:
        async with asyncio.timeout(START_DEADLINE_S), AragoraClient(url) as client:
            while not await client.ready():
                if process.returncode is not None:
                    raise Unavailable(f"The server ended with code {process.returncode} while starting:\n{_tail(log)}")
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise Unavailable(f"The server was not ready after {START_DEADLINE_S:.0f} s:\n{_tail(log)}") from None


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-LOG_TAIL_LINES:]) or f"(nothing was logged to {log})"


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Ask the server to drain and end; what is left of its process group afterwards, or at the deadline, is killed."""
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    with suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), STOP_DEADLINE_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
