"""Frames over a Unix socket: the short way between two processes on the same node.

A Ray call costs about a millisecond of CPU, a frame a twentieth of that. So Ray finds, starts and supervises actors; an
actor tells by a Ray call where its socket is (`Endpoint`), and what travels all the time goes through the socket.

A frame is its length in four bytes (big-endian) and that many bytes. A peer whose frame is too large, or cannot be used
by whom it is for, is cut off: it connects again and sends again what it needs. So is one that reads nothing for
`STALLED_S`. Who has much to send waits while a connection is not `writable`, and goes on when `resumed` is called.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import ray
import structlog

from actors.cluster import short_directory
from actors.ray_environment import RUN_DIRECTORY
from aragora.errors import Unavailable
from aragora.observability.line_budget import LineBudget

log = structlog.get_logger("aragora.runtime")

MAX_FRAME_BYTES: Final = 64_000_000
MAX_UNSENT_BYTES: Final = 64_000_000  # a last bound, for senders that do not wait
ENOUGH_UNSENT_BYTES: Final = 1_000_000  # then a connection is not writable
STALLED_S: Final = 30.0
_HEAD: Final = 4

_unusable = LineBudget.seldom()  # frames, of this process


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A node of the cluster, and a Unix socket on it unless none could be made."""

    node: str
    socket: str | None

    @property
    def near(self) -> str | None:
        """The socket's path where this process runs on the same node."""
        return self.socket if self.node == this_node() else None


async def endpoint_at(listen: Callable[[], Awaitable[str]]) -> Endpoint:
    """This process's endpoint, listening with `listen`, which returns the socket's path or raises OSError."""
    try:
        return Endpoint(this_node(), await listen())
    except OSError as error:
        log.warning("no socket, serving by calls alone", error=str(error))
        return Endpoint(this_node(), None)


class FrameConnection(asyncio.Protocol):
    """One end of a connection. `received` gets every whole frame, `lost` is told once when the connection ends,
    `resumed` whenever it is writable again."""

    def __init__(
        self,
        received: Callable[[FrameConnection, bytes], None],
        lost: Callable[[], None],
        resumed: Callable[[], None] = lambda: None,
    ) -> None:
        self._received = received
        self._lost = lost
        self._resumed = resumed
        self._written = 0  # bytes, of frames and their heads
        self._watch: asyncio.TimerHandle | None = None  # while the peer reads slower than we send
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()

    async def connect(self, path: str, whose: str) -> None:
        """Connect to the socket of the actor `whose` (`kind/key`). Raises Unavailable where it is gone."""
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: self, path)
        except OSError as error:
            raise Unavailable(f"{whose} closed its socket: {error}", retry_after_s=1.0) from None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self._transport.set_write_buffer_limits(high=ENOUGH_UNSENT_BYTES)

    @property
    def writable(self) -> bool:
        """Whether the peer reads about as fast as frames are sent. True as well where the connection is gone."""
        return self._watch is None

    def pause_writing(self) -> None:
        self._watch_peer()

    def resume_writing(self) -> None:
        self._unwatch()
        self._resumed()

    def _watch_peer(self) -> None:
        """Cut the peer off unless it reads something within `STALLED_S`, and so on until it is writable again."""
        transport = self._transport
        if transport is None:
            return
        read = self._written - transport.get_write_buffer_size()

        def look() -> None:
            if self._written - transport.get_write_buffer_size() > read:
                self._watch_peer()
            else:
                transport.abort()

        self._watch = asyncio.get_running_loop().call_later(STALLED_S, look)

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

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
            if not self._used(bytes(buffer[start + _HEAD : end])):
                return
            start = end
        if start:
            del buffer[:start]

    def _used(self, frame: bytes) -> bool:
        """Whether the frame could be handed on; if not, the connection is closed here, and the log tells it within
        bounds, unlike asyncio's own report."""
        try:
            self._received(self, frame)
        except Exception:
            more = _unusable.take(time.monotonic())
            if more is not None:
                log.exception("a frame could not be used", frame_bytes=len(frame), **more)
            self.close()
            return False
        return True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._transport = None
        self._unwatch()
        self._lost()

    def send(self, frame: bytes) -> None:
        """Send a frame; on a connection that is gone it is dropped, and `lost` has been told."""
        transport = self._transport
        if transport is None:
            return
        self._written += _HEAD + len(frame)
        transport.write(len(frame).to_bytes(_HEAD, "big") + frame)
        if transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            transport.abort()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class FrameServer:
    """An actor's end: listens on a Unix socket of its own, makes a connection for each peer with `connect`."""

    def __init__(self, connect: Callable[[], FrameConnection]) -> None:
        self._connect = connect
        self._directory: Path | None = None
        self._server: asyncio.Server | None = None

    async def listen(self) -> str:
        """Start listening, once; returns the socket's path. Only this user may connect. Raises OSError."""
        if self._directory is None:
            self._directory = _own_directory()
        path = self._directory / "s"
        if self._server is None:
            self._server = await asyncio.get_running_loop().create_unix_server(self._connect, path)
        return str(path)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)


def this_node() -> str:
    """The id of the node this process runs on; empty outside a cluster."""
    if not ray.is_initialized():  # asking for the context would start a whole Ray
        return ""
    node: str = ray.get_runtime_context().get_node_id()
    return node


def _own_directory() -> Path:
    """Inside the server's own directory where it runs on this machine, so that it goes when the server goes."""
    run_directory = os.environ.get(RUN_DIRECTORY)
    if run_directory and Path(run_directory).is_dir():
        path = Path(run_directory) / f"a{os.getpid()}"
        path.mkdir(mode=0o700, exist_ok=True)
        return path
    return short_directory("aragora-actor")
