"""An agent's socket for the coordinators of its node; others bring the same batches by Ray calls.

Towards the agent a frame holds the ids of debates that nobody waits for and a batch of requests, back comes a batch of
replies (`aragora.agents.wire`). A broken connection means that everything open is sent again, here or by Ray: asks
carry ids.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from actors.channels.frames import FrameConnection, FrameServer
from aragora.agents import wire
from aragora.debate.model import AgentRequest, Reply


class Asks(msgspec.Struct, array_like=True, frozen=True):
    """One frame towards the agent."""

    withdrawn: tuple[str, ...]
    requests: list[AgentRequest]


BATCH: Final = 8
"""Asks or answers in one frame. Frames are cheap: who takes them begins while the other still makes the next one."""

_asks = msgspec.msgpack.Decoder(Asks)
_encoder = msgspec.msgpack.Encoder()


class ReplyOutlet:
    """Where the replies to one connected coordinator go: those of one loop turn leave together, at most `BATCH` in
    a frame."""

    def __init__(self, connection: FrameConnection) -> None:
        self._connection = connection
        self._ready: list[Reply] = []

    def put(self, reply: Reply) -> None:
        if not self._ready:
            asyncio.get_running_loop().call_soon(self._flush)
        self._ready.append(reply)
        if len(self._ready) >= BATCH:
            self._flush()

    def _flush(self) -> None:
        ready, self._ready = self._ready, []
        if not ready:
            return
        self._connection.send(wire.encode_replies(ready))


class AgentSocket:
    """Hands every frame of asks to `take(withdrawn, requests, outlet)`."""

    def __init__(self, take: Callable[[Sequence[str], Sequence[AgentRequest], ReplyOutlet], None]) -> None:
        self._take = take
        self._server = FrameServer(self._connection)
        self._outlets: dict[FrameConnection, ReplyOutlet] = {}

    async def listen(self) -> str:
        """See `FrameServer.listen`."""
        return await self._server.listen()

    def close(self) -> None:
        self._server.close()

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
