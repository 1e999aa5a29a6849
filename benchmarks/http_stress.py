"""A client that costs little: keep-alive connections that send one prepared GET after another.

    python -m benchmarks.http_stress PORT PATH SECONDS CONNECTIONS

A process of its own, so that it does not share a core's loop with what it measures. Prints requests per second.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

LIMIT_S = 60.0


class Caller(asyncio.Protocol):
    """One connection. Counts answers with status 200 while it is `open`; any other ends the measurement."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._buffer = b""
        self.answers = 0
        self.open = True
        self.refused: str | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        length = answer_length(self._buffer)
        if length is None or len(self._buffer) < length:
            return
        if not self._buffer.startswith(b"HTTP/1.1 200"):
            self.refused = self._buffer[:200].decode("latin-1")
            self.open = False
        self._buffer = self._buffer[length:]
        self.answers += 1
        if self.open and self._transport is not None:
            self._transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.open:
            self.refused = f"connection lost: {exc}"

    def close(self) -> None:
        self.open = False
        if self._transport is not None:
            self._transport.close()


def answer_length(buffer: bytes) -> int | None:
    """Bytes of the answer that `buffer` begins with, head and body; None while its head is incomplete."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    for line in buffer[:end].split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return end + 4 + int(value)
    raise ValueError(f"an answer without Content-Length: {buffer[:end]!r}")


def requests_per_s(port: int, path: str, seconds: float, connections: int) -> float:
    """Run this module in a process of its own. Raises CalledProcessError where an answer was not 200."""
    command = [sys.executable, "-m", "benchmarks.http_stress", str(port), path, str(seconds), str(connections)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=LIMIT_S, check=True).stdout)


async def _stress(port: int, path: str, seconds: float, connections: int) -> float:
    loop = asyncio.get_running_loop()
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    callers = [
        (await loop.create_connection(lambda: Caller(request), "127.0.0.1", port))[1] for _ in range(connections)
    ]
    before, began = sum(caller.answers for caller in callers), time.monotonic()
    await asyncio.sleep(seconds)
    answers, took = sum(caller.answers for caller in callers) - before, time.monotonic() - began
    refused = next((caller.refused for caller in callers if caller.refused), None)
    for caller in callers:
        caller.close()
    if refused:
        sys.exit(f"GET {path}: {refused}")
    return answers / took


if __name__ == "__main__":
    print(asyncio.run(_stress(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), int(sys.argv[4]))))
