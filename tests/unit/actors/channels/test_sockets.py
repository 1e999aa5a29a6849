"""Frames over a Unix socket: whole, in order, and a peer that misbehaves is cut off."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from worlds.waiting import WAIT_S

from actors.channels import sockets
from actors.channels.sockets import FrameConnection, FrameServer
from actors.ray_environment import RUN_DIRECTORY
from aragora.errors import Unavailable
from aragora.observability.line_budget import SELDOM_BURST, LineBudget


@given(st.lists(st.binary(max_size=300), max_size=20), st.data())
def test_frames_arrive_whole_however_the_bytes_are_cut(frames: list[bytes], data: st.DataObject) -> None:
    received: list[bytes] = []
    connection = FrameConnection(lambda _, frame: received.append(frame), lambda: None)
    stream = b"".join(len(frame).to_bytes(4, "big") + frame for frame in frames)
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        connection.data_received(stream[:size])
        stream = stream[size:]
    assert received == frames


class Echo:
    """A server that sends every frame back, and a client that collects them."""

    def __init__(self) -> None:
        self.server = FrameServer(lambda: FrameConnection(lambda peer, frame: peer.send(frame), self.left.set))
        self.received: asyncio.Queue[bytes] = asyncio.Queue()
        self.lost = asyncio.Event()
        self.left = asyncio.Event()

    async def connect(self) -> FrameConnection:
        client = FrameConnection(lambda _, frame: self.received.put_nowait(frame), self.lost.set)
        await client.connect(await self.server.listen(), "echo")
        return client


@pytest.fixture
def echo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Echo:
    monkeypatch.setenv(RUN_DIRECTORY, str(tmp_path))
    return Echo()


async def test_only_the_owner_may_connect_and_nothing_is_left_behind(echo: Echo, tmp_path: Path) -> None:
    path = Path(await echo.server.listen())
    assert path.parent.stat().st_mode & 0o077 == 0
    assert await echo.server.listen() == str(path)
    echo.server.close()
    assert await asyncio.to_thread(os.listdir, tmp_path) == []


async def test_each_end_is_told_once_that_the_connection_ended(echo: Echo) -> None:
    client = await echo.connect()
    client.send(b"one")
    assert await asyncio.wait_for(echo.received.get(), WAIT_S) == b"one"
    client.close()
    await asyncio.wait_for(asyncio.gather(echo.lost.wait(), echo.left.wait()), WAIT_S)
    client.send(b"too late")
    echo.server.close()


async def test_a_frame_that_is_too_large_ends_the_connection(echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "MAX_FRAME_BYTES", 10)
    client = await echo.connect()
    client.send(b"more than ten bytes")
    await asyncio.wait_for(echo.lost.wait(), WAIT_S)
    assert echo.received.empty()
    echo.server.close()


async def test_a_socket_that_is_gone_is_told_as_unavailable(echo: Echo, tmp_path: Path) -> None:
    await echo.server.listen()
    echo.server.close()
    with pytest.raises(Unavailable, match="echo closed its socket"):
        await FrameConnection(lambda _, frame: None, echo.lost.set).connect(str(tmp_path / "gone"), "echo")


async def test_a_frame_that_cannot_be_used_ends_its_own_connection_and_is_told_within_bounds(
    echo: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: FrameConnection, __: bytes) -> None:
        raise RuntimeError("no use for it")

    monkeypatch.setattr(sockets, "_unusable", LineBudget.seldom())
    with capture_logs() as logged:
        for _ in range(20):
            client = await echo.connect()
            client._received = refuse
            client.send(b"one")
            await asyncio.wait_for(echo.lost.wait(), WAIT_S)
            echo.lost.clear()
    told = [line for line in logged if line["event"] == "a frame could not be used"]
    assert SELDOM_BURST <= len(told) < 20
    other = await echo.connect()
    other.send(b"two")
    assert await asyncio.wait_for(echo.received.get(), WAIT_S) == b"two"
    other.close()
    echo.server.close()


async def test_a_peer_that_reads_slower_than_is_sent_is_waited_for_and_not_cut_off(
    echo: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "ENOUGH_UNSENT_BYTES", 1_000)
    resumed = asyncio.Event()
    client = FrameConnection(lambda _, frame: echo.received.put_nowait(frame), echo.lost.set, resumed.set)
    await client.connect(await echo.server.listen(), "echo")
    frame = bytes(3_000_000)
    client.send(frame)
    assert not client.writable
    assert await asyncio.wait_for(echo.received.get(), WAIT_S) == frame
    await asyncio.wait_for(resumed.wait(), WAIT_S)
    assert client.writable
    assert not echo.lost.is_set()
    client.close()
    echo.server.close()


async def test_a_peer_that_reads_nothing_is_cut_off_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "STALLED_S", 0.05)
    server = await asyncio.start_unix_server(lambda reader, _: reader._transport.pause_reading(), tmp_path / "s")
    lost = asyncio.Event()
    client = FrameConnection(lambda _, frame: None, lost.set)
    await client.connect(str(tmp_path / "s"), "deaf")
    client.send(bytes(10_000_000))
    await asyncio.wait_for(lost.wait(), WAIT_S)
    assert client.writable
    server.close()
