"""The bounds on what a WebSocket client sends, on a uvicorn that was made without one, as Ray Serve makes it."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.websockets import auto
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from worlds.waiting import WAIT_S, eventually

from actors.websocket_frames import bound_messages

_HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
_PING = b"\x89\xfd" + bytes(4) + b"x" * 125  # the largest that there is, masked with nothing
_LAST_PING = b"\x89\x84" + bytes(4) + b"last"
_PIECES = ((0x01, b"f"), (0x00, b""), (0x00, b"o"), (0x80, b"l"))  # of a text: heads of frames and what is in them


async def echo(_scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": str(len(message["text"]))})


@asynccontextmanager
async def served(app: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[str, int]]:
    monkeypatch.setattr(auto, "AutoWebSocketsProtocol", auto.AutoWebSocketsProtocol)  # restored afterwards
    bound_messages(1_000)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve())
    await eventually(lambda: server.started)
    host, port = server.servers[0].sockets[0].getsockname()
    yield host, port
    server.should_exit = True
    await serving


@pytest.mark.parametrize("compression", [None, "deflate"])
async def test_a_message_over_the_bound_ends_the_connection_before_it_is_read(
    monkeypatch: pytest.MonkeyPatch, compression: str | None
) -> None:
    async with (
        served(echo, monkeypatch) as (host, port),
        asyncio.timeout(WAIT_S),
        connect(f"ws://{host}:{port}/", compression=compression) as client,
    ):
        await client.send("x" * 1_000)
        assert await client.recv() == "1000"
        assert len(zlib.compress(b"x" * 1_000_000)) < 2_000  # so it fits, packed
        await client.send("x" * 1_000_000)
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


async def test_pings_of_a_client_that_reads_nothing_pile_up_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    transports: list[Any] = []

    async def quiet(_scope: Any, receive: Any, send: Any) -> None:
        transports.append(receive.__self__.transport)
        await receive()
        await send({"type": "websocket.accept"})
        await receive()  # until it leaves

    async with served(quiet, monkeypatch) as (host, port), asyncio.timeout(WAIT_S):
        reader, writer = await asyncio.open_connection(host, port)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(_HANDSHAKE)
        await eventually(lambda: transports)
        unsent = []
        for _ in range(200):  # 26 MB in all, more than the kernel holds
            writer.write(_PING * 1_000)
            await writer.drain()
            unsent.append(transports[0].get_write_buffer_size())
        assert 0 < max(unsent) < 1_000_000
        writer.write(_LAST_PING)
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        said = b""
        while not said.endswith(b"\x8a\x04last"):  # the latest one is answered as soon as there is room
            said = said[-5:] + await reader.read(65_536)
        writer.close()


async def test_a_message_in_any_number_of_pieces_is_kept_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    protocols: list[Any] = []

    async def noted(scope: Any, receive: Any, send: Any) -> None:
        protocols.append(receive.__self__)
        await echo(scope, receive, send)

    first, empty, one, last = (bytes((head, 0x80 | len(text))) + bytes(4) + text for head, text in _PIECES)
    async with served(noted, monkeypatch) as (host, port), asyncio.timeout(WAIT_S):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(_HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(first + (empty + one) * 500 + empty * 100_000 + _LAST_PING)
        await reader.readuntil(b"\x8a\x04last")  # it has come so far
        assert len(protocols[0].frames) == 2
        writer.write(last)
        assert await reader.readexactly(5) == b"\x81\x03502"
        writer.close()


async def test_a_client_that_reads_has_its_pings_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        served(echo, monkeypatch) as (host, port),
        asyncio.timeout(WAIT_S),
        connect(f"ws://{host}:{port}/") as client,
    ):
        for _ in range(100):
            await (await client.ping())
