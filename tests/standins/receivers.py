"""Receivers of webhooks, well-behaved, odd and hostile: each visit of a connection is answered by hand, byte by byte.

A behaviour is an async function of a `Visit`: it reads requests and writes whatever it likes. A receiver counts the
connections it saw, so that a test can tell that there was none.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, TypeAlias

MAX_REQUEST: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came."""

    line: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class Visit:
    """One connection, from its beginning to its end."""

    def __init__(self, receiver: Receiver, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.receiver = receiver
        self.reader = reader
        self.writer = writer
        self.number = receiver.connections  # counts from 1

    async def request(self) -> Received:
        """The next request, read whole. Raises IncompleteReadError where the connection ends before."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *lines = head.rstrip().split("\r\n")
        headers = tuple((name, value.strip()) for name, _, value in (each.partition(":") for each in lines))
        size = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
        received = Received(line, headers, await self.reader.readexactly(size))
        self.receiver.received.append(received)
        return received

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()
        self.receiver.sent_bytes += len(data)

    def reset(self) -> None:
        """End the connection with RST instead of FIN."""
        held = self.writer.get_extra_info("socket")
        held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Behaviour: TypeAlias = Callable[[Visit], Awaitable[None]]


@dataclass(slots=True)
class Receiver:
    """What a receiver saw. `url` is set while it listens."""

    behave: Behaviour
    url: str = ""
    port: int = 0
    connections: int = 0
    ended: int = 0
    received: list[Received] = field(default_factory=list)
    sent_bytes: int = 0

    async def visited(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                await self.behave(Visit(self, reader, writer))
        finally:
            self.ended += 1
            writer.close()


@asynccontextmanager
async def listening(
    behave: Behaviour, *, host: str = "127.0.0.1", name: str = "", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    """A receiver that listens at `host`. Its URL has the host `name` where there is one."""
    receiver = Receiver(behave)
    visits: set[asyncio.Task[None]] = set()
    ending = asyncio.Event()

    async def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        visits.add(task)
        try:
            await receiver.visited(reader, writer)
        except asyncio.CancelledError:
            if not ending.is_set():
                raise  # asyncio would tell of the end of a visit that we cancel
        finally:
            visits.discard(task)

    server = await asyncio.start_server(visited, host, 0, ssl=tls, limit=MAX_REQUEST)
    receiver.port = server.sockets[0].getsockname()[1]
    shown = name or (f"[{host}]" if ":" in host else host)
    receiver.url = f"{'http' if tls is None else 'https'}://{shown}:{receiver.port}"
    try:
        yield receiver
    finally:
        server.close()
        ending.set()
        for visit in [*visits]:
            visit.cancel()
        await asyncio.gather(*visits, return_exceptions=True)


def answer(status: int = 200, body: bytes = b"", headers: Mapping[str, str] | None = None) -> bytes:
    """A whole answer of HTTP/1.1."""
    lines = [f"HTTP/1.1 {status} Told", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def answering(*answers: bytes) -> Behaviour:
    """Answers each request of a connection with the next of `answers`, and then with the last."""

    async def behave(visit: Visit) -> None:
        turn = 0
        while True:
            await visit.request()
            await visit.send(answers[min(turn, len(answers) - 1)])
            turn += 1

    return behave


def answering_in_turn(*answers: bytes) -> Behaviour:
    """As `answering`, over all connections together: the last answer stays."""
    left = list(answers)

    async def behave(visit: Visit) -> None:
        while True:
            await visit.request()
            await visit.send(left.pop(0) if len(left) > 1 else left[0])

    return behave


def closing_after(data: bytes) -> Behaviour:
    """Sends these bytes after a request, and closes."""

    async def behave(visit: Visit) -> None:
        await visit.request()
        await visit.send(data)

    return behave


async def hanging(visit: Visit) -> None:
    """Reads and never answers."""
    await visit.request()
    await visit.reader.read()


def trickling(head: bytes, drop: bytes, pause_s: float = 0.02) -> Behaviour:
    """Sends `head`, and then `drop` again and again, for ever."""

    async def behave(visit: Visit) -> None:
        await visit.request()
        await visit.send(head)
        while True:
            await visit.send(drop)
            await asyncio.sleep(pause_s)

    return behave


def endless(head: bytes, piece: bytes) -> Behaviour:
    """Sends `head`, and then `piece` as fast as it is read, for ever."""

    async def behave(visit: Visit) -> None:
        await visit.request()
        await visit.send(head)
        while True:
            await visit.send(piece)

    return behave


def closing_at_reuse(last_words: bytes = b"", *, first: bytes = b"", reset: bool = False) -> Behaviour:
    """Answers the first request of each connection that it lets live, and ends the connection as the second comes,
    after `last_words`. Every connection after the first serves for good."""

    async def behave(visit: Visit) -> None:
        await visit.request()
        await visit.send(first or answer())
        if visit.number == 1:
            await visit.reader.readexactly(1)  # the second request begins
            await visit.send(last_words)
            if reset:
                visit.reset()
            return
        while True:
            await visit.request()
            await visit.send(answer())

    return behave


def tunnelling_to(port: int) -> Behaviour:
    """A proxy that connects every tunnel to this port of loopback."""

    async def behave(visit: Visit) -> None:
        await visit.request()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await visit.send(b"HTTP/1.1 200 Connected\r\n\r\n")
        try:
            await asyncio.gather(_carry(visit.reader, writer), _carry(reader, visit.writer))
        finally:
            writer.close()

    return behave


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()
