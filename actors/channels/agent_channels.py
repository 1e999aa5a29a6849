"""The two ways to an agent: frames over its socket on the same node, Ray calls otherwise.

A channel sends batches and reports replies as they come, until it is lost; then its link opens another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from ray.actor import ActorHandle
from ray.exceptions import RayError

from actors.agent import POLL_S
from actors.channels.agent_socket import BATCH, encode_asks
from actors.channels.endpoints import Endpoint
from actors.channels.frames import FrameConnection
from actors.runtime import Runtime, translated
from aragora.agents import wire
from aragora.debate.model import AgentRequest, Reply
from aragora.errors import AragoraError, Unavailable

EXCHANGE_TIMEOUT_S: Final = POLL_S + 20.0
ENDPOINT_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Listener:
    """Who uses a channel: gets `replies`, is told once that it is `lost`, and says whether any ask is `open`."""

    replies: Callable[[Sequence[Reply]], None]
    lost: Callable[[AragoraError], None]
    open: Callable[[], bool]


class Channel(Protocol):
    batch: int
    """Asks in one message: few where it is a frame, which is cheap, many where it is a call, which is not."""

    def send(self, withdrawn: Sequence[str], requests: Sequence[AgentRequest]) -> None: ...

    def close(self) -> None: ...


async def open_channel(runtime: Runtime, key: str, asker: str, listener: Listener) -> Channel:
    """A channel to the agent `key`, which is activated if it sleeps. Raises AragoraError where it cannot be."""
    try:
        agent = await runtime.activate("agent", key)
        endpoint: Endpoint = await asyncio.wait_for(agent.endpoint.remote(), ENDPOINT_TIMEOUT_S)
    except (RayError, TimeoutError) as error:
        raise translated(error, f"agent/{key}", ENDPOINT_TIMEOUT_S) from None
    if endpoint.near is not None:
        return await SocketChannel.connect(endpoint.near, key, listener)
    return RayChannel(agent, key, asker, listener)


class SocketChannel:
    """Frames over the agent's Unix socket."""

    batch = BATCH

    def __init__(self, key: str, listener: Listener) -> None:
        self._key = key
        self._listener = listener
        self._closed = False
        self._connection = FrameConnection(self._received, self._ended)

    @classmethod
    async def connect(cls, path: str, key: str, listener: Listener) -> SocketChannel:
        """Raises Unavailable."""
        channel = cls(key, listener)
        await channel._connection.connect(path, f"agent/{key}")
        return channel

    def send(self, withdrawn: Sequence[str], requests: Sequence[AgentRequest]) -> None:
        self._connection.send(encode_asks(withdrawn, requests))

    def close(self) -> None:
        self._closed = True
        self._connection.close()

    def _received(self, _: FrameConnection, frame: bytes) -> None:
        self._listener.replies(wire.decode_replies(frame))

    def _ended(self) -> None:
        if not self._closed:
            self._closed = True
            self._listener.lost(Unavailable(f"agent/{self._key} closed the connection", retry_after_s=1.0))


class RayChannel:
    """Ray calls: one that carries asks also brings back what is ready; while asks are open, one call waits."""

    batch = 200

    def __init__(self, agent: ActorHandle, key: str, asker: str, listener: Listener) -> None:
        self._agent = agent
        self._key = key
        self._asker = asker
        self._listener = listener
        self._calls: set[asyncio.Task[None]] = set()
        self._closed = False

    def send(self, withdrawn: Sequence[str], requests: Sequence[AgentRequest]) -> None:
        call = asyncio.get_running_loop().create_task(self._exchange(tuple(withdrawn), requests))
        self._calls.add(call)

    def close(self) -> None:
        self._closed = True
        for call in self._calls:
            call.cancel()

    async def _exchange(self, withdrawn: tuple[str, ...], requests: Sequence[AgentRequest]) -> None:
        try:
            raw = wire.encode_requests(requests) if requests else b""
            answer = await asyncio.wait_for(
                self._agent.exchange.remote(self._asker, raw, withdrawn), EXCHANGE_TIMEOUT_S
            )
        except (RayError, TimeoutError) as error:
            if not self._closed:
                self.close()
                self._listener.lost(translated(error, f"agent/{self._key}", EXCHANGE_TIMEOUT_S))
            return
        finally:
            call = asyncio.current_task()
            if call is not None:
                self._calls.discard(call)
        if answer:
            self._listener.replies(wire.decode_replies(answer))
        if not self._closed and not self._calls and self._listener.open():
            self.send((), ())
