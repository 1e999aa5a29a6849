"""The bound on WebSocket messages, on a uvicorn that was made without one, as Ray Serve makes it."""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.websockets import auto
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from worlds.waiting import WAIT_S, eventually

from actors.websocket_frames import bound_messages


async def echo(_scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": str(len(message["text"]))})


@pytest.mark.parametrize("compression", [None, "deflate"])
async def test_a_message_over_the_bound_ends_the_connection_before_it_is_read(
    monkeypatch: pytest.MonkeyPatch, compression: str | None
) -> None:
    monkeypatch.setattr(auto, "AutoWebSocketsProtocol", auto.AutoWebSocketsProtocol)  # restored afterwards
    bound_messages(1_000)
    server = uvicorn.Server(uvicorn.Config(echo, host="127.0.0.1", port=0, lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve())
    await eventually(lambda: server.started)
    host, port = server.servers[0].sockets[0].getsockname()
    url = f"ws://{host}:{port}/"
    async with asyncio.timeout(WAIT_S), connect(url, compression=compression) as client:
        await client.send("x" * 1_000)
        assert await client.recv() == "1000"
        assert len(zlib.compress(b"x" * 1_000_000)) < 2_000  # so it fits, packed
        await client.send("x" * 1_000_000)
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009
    server.should_exit = True
    await serving
