"""The two ways a replica hears of the events of a coordinator or of the runner of workflows: its socket on the same
node, long polls otherwise.

A line is open until it is lost. Its user then opens another, names again the journals it follows, and reads from the
store what it missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from actors.channels.event_outlets import POLL_S, Change, Polled, Pushed
from actors.channels.sockets import Endpoint, FrameConnection
from actors.channels.watchers import Item
from actors.kinds import Kind
from actors.runtime import Reference, Runtime
from aragora.errors import AragoraError, Unavailable
from aragora.ids import new_id
from aragora.supervision import begin

ANSWER_S: Final = 10.0  # for a change to be made

_pushed = msgspec.msgpack.Decoder(Pushed)
_polled = msgspec.msgpack.Decoder(Polled)


class Telling(Protocol):
    """An actor that tells replicas of the events of the journals that it writes."""

    async def endpoint(self) -> Endpoint:
        """Where replicas of the same node may connect (`actors.channels.event_outlets`)."""
        ...

    async def watch(
        self, watcher: str, follow: tuple[str, ...], leave: tuple[str, ...], show: tuple[str, ...] = ()
    ) -> bytes:
        """See `EventPolls.poll`."""
        ...


@dataclass(frozen=True, slots=True)
class Listener:
    """Who uses a line: gets items as they are `heard`, and is told once that the line is `lost`."""

    heard: Callable[[Sequence[Item]], None]
    lost: Callable[[AragoraError], None]


class Line(Protocol):
    async def change(self, follow: Sequence[str], leave: Sequence[str], show: Sequence[str] = ()) -> None:
        """Returns when the actor follows and leaves these, and shows of `show` what agents are writing. Raises
        AragoraError; then the line is of no use."""
        ...

    def close(self) -> None: ...


async def open_line(runtime: Runtime, kind: Kind[Telling], key: str, listener: Listener) -> Line:
    """A line to the actor of a kind and key. Raises AragoraError where it cannot be reached."""
    teller = runtime.at(kind, key)
    endpoint = await teller.ask(lambda it: it.endpoint(), timeout_s=ANSWER_S)
    if endpoint.near is not None:
        return await SocketLine.connect(endpoint.near, teller.name, listener)
    return PollLine(teller, listener)


class SocketLine:
    """Frames over the Unix socket of whoever tells."""

    def __init__(self, teller: str, listener: Listener) -> None:
        self._teller = teller  # its name
        self._listener = listener
        self._closed = False
        self._number = 0
        self._changing: dict[int, asyncio.Future[None]] = {}
        self._connection = FrameConnection(self._received, self._ended)

    @classmethod
    async def connect(cls, path: str, teller: str, listener: Listener) -> SocketLine:
        """Raises Unavailable."""
        line = cls(teller, listener)
        await line._connection.connect(path, teller)
        return line

    async def change(self, follow: Sequence[str], leave: Sequence[str], show: Sequence[str] = ()) -> None:
        if self._closed:
            raise self._gone()
        self._number += 1
        changed = self._changing[self._number] = asyncio.get_running_loop().create_future()
        self._connection.send(msgspec.msgpack.encode(Change(self._number, tuple(follow), tuple(leave), tuple(show))))
        try:
            async with asyncio.timeout(ANSWER_S):
                await changed
        except TimeoutError:
            raise Unavailable(f"{self._teller} is slow to answer", retry_after_s=1.0) from None

    def close(self) -> None:
        self._closed = True
        self._connection.close()

    def _received(self, _: FrameConnection, frame: bytes) -> None:
        pushed = _pushed.decode(frame)
        for number in [number for number in self._changing if number <= pushed.changed]:
            changed = self._changing.pop(number)
            if not changed.done():
                changed.set_result(None)
        if pushed.items:
            self._listener.heard(pushed.items)

    def _ended(self) -> None:
        for changed in self._changing.values():
            if not changed.done():
                changed.set_exception(self._gone())
        self._changing.clear()
        if not self._closed:
            self._closed = True
            self._listener.lost(self._gone())

    def _gone(self) -> Unavailable:
        return Unavailable(f"{self._teller} closed the connection", retry_after_s=1.0)


class PollLine:
    """Ray calls: one waits for news at any time, another may bring a change."""

    def __init__(self, teller: Reference[Telling], listener: Listener) -> None:
        self._teller = teller
        self._listener = listener
        self._name = new_id("watcher")
        self._polling: asyncio.Task[None] | None = None

    async def change(self, follow: Sequence[str], leave: Sequence[str], show: Sequence[str] = ()) -> None:
        polled = await self._ask(follow, leave, show)
        self._heard(polled)
        if self._polling is None:
            self._polling = begin(self._poll(), "news of journals")
        elif polled.lost or not polled.known:  # a poll would not learn of it any more
            raise self._lost_news()

    def close(self) -> None:
        if self._polling is not None:
            self._polling.cancel()

    async def _poll(self) -> None:
        """Until the actor is away, has forgotten this watcher, or has lost some of its news."""
        try:
            while True:
                polled = await self._ask((), ())
                self._heard(polled)
                if polled.lost or not polled.known:
                    self._listener.lost(self._lost_news())
                    return
        except AragoraError as error:
            self._listener.lost(error)
        except Exception:
            self._listener.lost(Unavailable(f"{self._teller.name} sent what cannot be read", retry_after_s=1.0))
            raise

    async def _ask(self, follow: Sequence[str], leave: Sequence[str], show: Sequence[str] = ()) -> Polled:
        raw = await self._teller.ask(
            lambda it: it.watch(self._name, tuple(follow), tuple(leave), tuple(show)), timeout_s=POLL_S + 10.0
        )
        try:
            return _polled.decode(raw)
        except msgspec.MsgspecError as error:
            raise Unavailable(f"{self._teller.name} sent what cannot be read: {error}", retry_after_s=1.0) from None

    def _heard(self, polled: Polled) -> None:
        if polled.items:
            self._listener.heard(polled.items)

    def _lost_news(self) -> Unavailable:
        return Unavailable(f"{self._teller.name} has lost news", retry_after_s=1.0)
