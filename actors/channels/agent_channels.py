"""The two ways to an agent: frames over its socket on the same node, Ray calls otherwise.

A channel sends batches and reports replies as they come, until it is lost; then its link opens another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from actors.channels.agent_outlets import BATCH, POLL_S, encode_asks
from actors.channels.sockets import FrameConnection
from actors.runtime import ONCE, Reference
from aragora.agents import wire
from aragora.agents.signs import Sign
from aragora.debate.model import AgentRequest, Reply
from aragora.errors import AragoraError, Unavailable
from aragora.supervision import begin

if TYPE_CHECKING:
    from actors.agent import AgentActor

EXCHANGE_TIMEOUT_S: Final = POLL_S + 20.0
ENDPOINT_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Listener:
    """Who uses a channel: gets `replies` and `signs`, is told once that it is `lost`, says whether it is `waiting` for
    any, and is told that the channel is `ready` again after it was not."""

    replies: Callable[[Sequence[Reply]], None]
    signs: Callable[[Sequence[Sign]], None]
    lost: Callable[[AragoraError], None]
    waiting: Callable[[], bool]
    ready: Callable[[], None]


class Channel(Protocol):
    """Asks that have no encoding come back as failures, by `Listener.replies`."""

    batch: int
    """Asks in one message: few where it is a frame, which is cheap, many where it is a call, which is not."""

    @property
    def ready(self) -> bool:
        """Whether asks should be sent now: false while the agent reads slower than they come."""
        ...

    def send(self, withdrawn: Sequence[str], requests: Sequence[AgentRequest], shown: Sequence[str] = ()) -> None:
        """`shown`: debates of which somebody follows what their agents write."""
        ...

    def close(self) -> None: ...


async def open_channel(agent: Reference[AgentActor], asker: str, listener: Listener) -> Channel:
    """A channel to the agent, which is activated if it sleeps. Raises AragoraError where it cannot be."""
    endpoint = await agent.ask(lambda it: it.endpoint(), timeout_s=ENDPOINT_TIMEOUT_S, backoff=ONCE)
    if endpoint.near is not None:
        return await SocketChannel.connect(endpoint.near, agent.name, listener)
    return CallChannel(agent, asker, listener)


class SocketChannel:
    """Frames over the agent's Unix socket."""

    batch = BATCH

    def __init__(self, agent: str, listener: Listener) -> None:
        self._agent = agent  # its name
        self._listener = listener
        self._closed = False
        self._connection = FrameConnection(self._received, self._ended, listener.ready)

    @property
    def ready(self) -> bool:
        return self._connection.writable

    @classmethod
    async def connect(cls, path: str, agent: str, listener: Listener) -> SocketChannel:
        """Raises Unavailable."""
        channel = cls(agent, listener)
        await channel._connection.connect(path, agent)
        return channel

    def send(self, withdrawn: Sequence[str], requests: Sequence[AgentRequest], shown: Sequence[str] = ()) -> None:
        packed = wire.encode_requests(requests)
        self._connection.send(encode_asks(withdrawn, packed.raw, shown))
        _hand_back(packed, self._listener)

    def close(self) -> None:
        self._closed = True
        self._connection.close()

    def _received(self, _: FrameConnection, frame: bytes) -> None:
        _hear(wire.decode_told(frame), self._listener)

    def _ended(self) -> None:
        if not self._closed:
            self._closed = True
            self._listener.lost(Unavailable(f"{self._agent} closed the connection", retry_after_s=1.0))


class CallChannel:
    """Ray calls: one that carries asks also brings back what is ready; while replies are awaited, one call waits."""

    batch = 200
    ready = True

    def __init__(self, agent: Reference[AgentActor], asker: str, listener: Listener) -> None:
        self._agent = agent
        self._asker = asker
        self._listener = listener
        self._calls: set[asyncio.Task[None]] = set()
        self._closed = False

    def send(self, withdrawn: Sequence[str], requests: Sequence[AgentRequest], shown: Sequence[str] = ()) -> None:
        packed = wire.encode_requests(requests)
        exchange = self._exchange(tuple(withdrawn), packed.raw if requests else b"", tuple(shown))
        call = begin(exchange, "exchange with an agent")
        self._calls.add(call)
        _hand_back(packed, self._listener)

    def close(self) -> None:
        self._closed = True
        for call in self._calls:
            call.cancel()

    async def _exchange(self, withdrawn: tuple[str, ...], raw: bytes, shown: tuple[str, ...]) -> None:
        try:
            told = await self._told(withdrawn, raw, shown)
        except AragoraError as error:
            self._end(error)
            return
        except Exception as error:
            self._end(Unavailable(f"the exchange with {self._agent.name} broke: {type(error).__name__}"))
            raise  # it is a defect: whoever began this task tells it
        finally:
            call = asyncio.current_task()
            if call is not None:
                self._calls.discard(call)
        _hear(told, self._listener)
        if not self._closed and not self._calls and self._listener.waiting():
            self.send((), ())

    def _end(self, error: AragoraError) -> None:
        if not self._closed:
            self.close()
            self._listener.lost(error)

    async def _told(self, withdrawn: tuple[str, ...], raw: bytes, shown: tuple[str, ...]) -> wire.Told:
        """Raises AragoraError where the agent is not reached, or what it answers cannot be read."""
        answer = await self._agent.ask(
            lambda it: it.exchange(self._asker, raw, withdrawn, shown), timeout_s=EXCHANGE_TIMEOUT_S, backoff=ONCE
        )
        try:
            return wire.decode_told(answer) if answer else wire.Told([], [])
        except ValueError as error:
            raise Unavailable(f"what {self._agent.name} answered cannot be read: {error}", retry_after_s=1.0) from None


def _hear(told: wire.Told, listener: Listener) -> None:
    if told.signs:
        listener.signs(told.signs)
    if told.replies:
        listener.replies(told.replies)


def _hand_back(packed: wire.PackedRequests, listener: Listener) -> None:
    """The failures of asks that could not be sent, as soon as their sender has finished its turn."""
    if packed.refused:
        asyncio.get_running_loop().call_soon(listener.replies, packed.refused)
