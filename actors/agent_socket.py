"""The short way between a coordinator and an agent on the same node: frames over a Unix socket.

A Ray call costs about a millisecond of CPU, a frame a twentieth of that. So Ray finds, starts and supervises the
agent and tells where its socket is; what travels all the time goes through the socket. Between nodes, and wherever
no socket can be made, the same batches travel as Ray calls (`aragora.agents.wire` encodes both).

A frame is its length in four bytes (big-endian) and that many bytes. Towards the agent it holds the ids of debates
that nobody waits for and a batch of requests, back comes a batch of replies. A broken connection means that
everything open is sent again, here or by Ray: asks carry ids.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, cast

import msgspec

from actors.cluster import short_directory
from actors.runtime_names import RUN_DIRECTORY
from aragora.agents import wire
from aragora.debate.model import AgentRequest, Reply

MAX_FRAME_BYTES: Final = 64_000_000
MAX_UNSENT_BYTES: Final = 64_000_000  # a coordinator that does not read is cut off
_HEAD: Final = 4


class Asks(msgspec.Struct, array_like=True, frozen=True):
    """One frame towards the agent."""

    withdrawn: tuple[str, ...]
    requests: list[AgentRequest]


_asks = msgspec.msgpack.Decoder(Asks)
_encoder = msgspec.msgpack.Encoder()


class FrameConnection(asyncio.Protocol):
    """One end of a connection. `received` gets every whole frame, `lost` is told once when the connection ends."""

    def __init__(self, received: Callable[[FrameConnection, bytes], None], lost: Callable[[], None]) -> None:
        self._received = received
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        start = 0
        while len(buffer) - start >= _HEAD:
            size = int.from_bytes(buffer[start : start + _HEAD], "big")
            if size > MAX_FRAME_BYTES:
                self.close()
                return
            end = start + _HEAD + size
            if len(buffer) < end:
                break
            self._received(self, bytes(buffer[start + _HEAD : end]))
            start = end
        if start:
            del buffer[:start]

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._transport = None
        self._lost()

    def send(self, frame: bytes) -> None:
        """Send a frame; on a connection that is gone it is dropped, and `lost` has been told."""
        transport = self._transport
        if transport is None:
            return
        transport.write(len(frame).to_bytes(_HEAD, "big") + frame)
        if transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            transport.abort()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class ReplyOutlet:
    """Where the replies to one connected coordinator go: those of one loop turn leave together."""

    def __init__(self, connection: FrameConnection) -> None:
        self._connection = connection
        self._ready: list[Reply] = []

    def put(self, reply: Reply) -> None:
        if not self._ready:
            asyncio.get_running_loop().call_soon(self._flush)
        self._ready.append(reply)

    def _flush(self) -> None:
        ready, self._ready = self._ready, []
        self._connection.send(wire.encode_replies(ready))


class AgentSocket:
    """The agent's end: listens, and hands every frame of asks to `take(withdrawn, requests, outlet)`."""

    def __init__(self, take: Callable[[Sequence[str], Sequence[AgentRequest], ReplyOutlet], None]) -> None:
        self._take = take
        self._directory: Path | None = None
        self._server: asyncio.Server | None = None
        self._outlets: dict[FrameConnection, ReplyOutlet] = {}

    async def listen(self) -> str:
        """Start listening, once; returns the socket's path. Only this user may connect. Raises OSError."""
        if self._directory is None:
            self._directory = _own_directory()
        path = self._directory / "s"
        if self._server is None:
            self._server = await asyncio.get_running_loop().create_unix_server(self._connection, path)
        return str(path)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)

    def _connection(self) -> FrameConnection:
        connection = FrameConnection(self._received, lambda: self._left(connection))
        self._outlets[connection] = ReplyOutlet(connection)
        return connection

    def _left(self, connection: FrameConnection) -> None:
        del self._outlets[connection]

    def _received(self, connection: FrameConnection, frame: bytes) -> None:
        asks = _asks.decode(frame)
        self._take(asks.withdrawn, asks.requests, self._outlets[connection])


def encode_asks(withdrawn: Sequence[str], requests: Sequence[AgentRequest]) -> bytes:
    """The frame that brings these to an agent."""
    return _encoder.encode(Asks(tuple(withdrawn), list(requests)))


def _own_directory() -> Path:
    """Inside the server's own directory where it runs on this machine, so that it goes when the server goes."""
    run_directory = os.environ.get(RUN_DIRECTORY)
    if run_directory and Path(run_directory).is_dir():
        path = Path(run_directory) / f"a{os.getpid()}"
        path.mkdir(mode=0o700, exist_ok=True)
        return path
    return short_directory("aragora-agent")
