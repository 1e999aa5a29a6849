"""The application on a real socket, in a thread of its own event loop's server, over the in-memory ports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from websockets.exceptions import ConnectionClosed
from worlds.memory_server import Boards, World, served_for_test
from worlds.waiting import WAIT_S, eventually

from aragora import encoding


@asynccontextmanager
async def serving(data_dir: Path, world: World, boards: Boards, **config: Any) -> AsyncIterator[str]:
    """`host:port` of a running server of this configuration; stopped on leaving."""
    app = served_for_test(data_dir, world, boards, **config).app
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", ws_per_message_deflate=False)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    try:
        host, port = server.servers[0].sockets[0].getsockname()
        yield f"{host}:{port}"
    finally:
        server.should_exit = True
        await task


async def until(holds: Callable[[], Any]) -> None:
    """Return once the condition holds; fail after the deadline."""
    await eventually(holds)


async def next_of(socket: Any, kind: str) -> dict[str, Any]:
    """The next message of this type."""
    async with asyncio.timeout(WAIT_S):
        while True:
            message: dict[str, Any] = encoding.decode(await socket.recv())
            if message["type"] == kind:
                return message


async def say(socket: Any, **message: Any) -> None:
    await socket.send(encoding.encode_text(message))


async def seqs_until_end(socket: Any) -> list[int]:
    """The seqs of all journaled events up to the debate's end."""
    seen: list[int] = []
    async with asyncio.timeout(WAIT_S):
        while True:
            message = encoding.decode(await socket.recv())
            if message["seq"]:
                seen.append(message["seq"])
            if message["type"] == "debate_end":
                return seen


async def end_of(socket: Any) -> tuple[int, str]:
    """Read until the server closes; the code and reason it gave."""
    try:
        async with asyncio.timeout(WAIT_S):
            while True:
                await socket.recv()
    except ConnectionClosed as closed:
        if closed.rcvd is None:
            raise  # cut off without a word
        return closed.rcvd.code, closed.rcvd.reason


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def boards() -> Boards:
    return Boards()


@pytest.fixture
def serve(world: World, boards: Boards, tmp_path: Path) -> Any:
    return partial(serving, tmp_path, world, boards)


@pytest.fixture
def wire() -> Any:
    """The words of a WebSocket test."""

    class Wire:
        next_of = staticmethod(next_of)
        say = staticmethod(say)
        seqs_until_end = staticmethod(seqs_until_end)
        end_of = staticmethod(end_of)
        until: Callable[..., Awaitable[None]] = staticmethod(until)

    return Wire
