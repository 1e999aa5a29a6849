"""An agent's side of the exchange with coordinators: where asks come in, and where their replies go.

Coordinators of the same node connect to the agent's socket (`AgentSocket`), and every connection has a `ReplyOutlet`.
Others bring the same batches by Ray calls and fetch the replies from their `Mailbox`.

Towards the agent a frame holds the ids of debates whose answers are no longer wanted, a batch of requests, and the ids
of debates of which somebody follows what is being written; back come batches of replies and of signs
(`aragora.agents.wire`, `aragora.agents.signs`). Signs wait for nothing: where there is no room for one, it is dropped.
After a broken connection everything unanswered is sent again, here or by Ray: asks carry ids.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import msgspec

from actors.channels.sockets import FrameConnection, FrameServer
from aragora.agents import wire
from aragora.agents.signs import Sign
from aragora.debate.model import AgentRequest, Reply

BATCH: Final = 8
"""Asks or answers in one frame. Frames are cheap: the reader begins while the writer still makes the next one."""
WAITING: Final = 4_000
"""Replies in a mailbox; the oldest give way, since an ask that comes again is answered again from memory."""
SIGNS: Final = 500
"""Signs that wait to be sent to one coordinator; more are dropped."""
SIGNS_EVERY_S: Final = 0.1
"""How often a call that fetches replies returns with signs alone."""
POLL_S: Final = 10.0
"""A call that fetches replies returns after this many seconds, though there are none."""


class Outlet(Protocol):
    """Where the replies to one coordinator go."""

    def put(self, reply: Reply) -> None: ...

    def show(self, sign: Sign) -> None:
        """Take it on its way, or drop it."""
        ...


class AgentSocket:
    """Hands every frame of asks to `take(withdrawn, requests, outlet)`, and the debates that are to be shown to
    `show`."""

    def __init__(
        self,
        take: Callable[[Sequence[str], Sequence[AgentRequest], Outlet], None],
        show: Callable[[Sequence[str]], None],
    ) -> None:
        self._take = take
        self._show = show
        self._server = FrameServer(self._connection)
        self._outlets: dict[FrameConnection, ReplyOutlet] = {}

    async def listen(self) -> str:
        """See `FrameServer.listen`."""
        return await self._server.listen()

    def close(self) -> None:
        self._server.close()

    def _connection(self) -> FrameConnection:
        connection = FrameConnection(self._received, lambda: self._left(connection), lambda: self._resumed(connection))
        self._outlets[connection] = ReplyOutlet(connection)
        return connection

    def _resumed(self, connection: FrameConnection) -> None:
        self._outlets[connection].flush()

    def _left(self, connection: FrameConnection) -> None:
        del self._outlets[connection]

    def _received(self, connection: FrameConnection, frame: bytes) -> None:
        asks = _asks.decode(frame)
        outlet = self._outlets[connection]
        unpacked = wire.decode_requests(asks.requests)
        self._take(asks.withdrawn, unpacked.requests, outlet)
        for failure in unpacked.refused:
            outlet.put(failure)
        if asks.shown:
            self._show(asks.shown)


def encode_asks(withdrawn: Sequence[str], requests: bytes, shown: Sequence[str] = ()) -> bytes:
    """The frame that brings these to an agent; `requests` is a batch of `wire.encode_requests`."""
    return _encoder.encode(Asks(tuple(withdrawn), msgspec.Raw(requests), tuple(shown)))


class ReplyOutlet:
    """The replies to one connected coordinator: those of one loop turn leave together, at most `BATCH` in a frame.
    While it reads slower than they come they wait here; there are no more of them than it has asks open. Signs do not
    wait for a slow reader."""

    def __init__(self, connection: FrameConnection) -> None:
        self._connection = connection
        self._ready: list[Reply] = []
        self._signs: list[Sign] = []

    def show(self, sign: Sign) -> None:
        if not self._connection.writable or len(self._signs) >= SIGNS:
            return
        if not self._ready and not self._signs:
            asyncio.get_running_loop().call_soon(self.flush)
        self._signs.append(sign)

    def put(self, reply: Reply) -> None:
        if not self._ready and not self._signs:
            asyncio.get_running_loop().call_soon(self.flush)
        self._ready.append(reply)
        if len(self._ready) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Send what the connection takes now."""
        while (self._ready or self._signs) and self._connection.writable:
            ready, self._ready = self._ready[:BATCH], self._ready[BATCH:]
            signs, self._signs = self._signs, []
            self._connection.send(wire.encode_replies(ready, signs))


class Mailbox:
    """The replies that wait for one coordinator to fetch them, and the call that waits for them."""

    def __init__(self) -> None:
        self._ready: deque[Reply] = deque(maxlen=WAITING)
        self._signs: list[Sign] = []
        self._signs_due = False  # they have waited for others long enough
        self._waiter: asyncio.Future[None] | None = None

    def put(self, reply: Reply) -> None:
        self._ready.append(reply)
        self._wake()

    def show(self, sign: Sign) -> None:
        if len(self._signs) >= SIGNS:
            return
        if not self._signs:
            asyncio.get_running_loop().call_later(SIGNS_EVERY_S, self._send_signs)
        self._signs.append(sign)

    async def take(self, timeout_s: float) -> wire.Told:
        """All ready replies and signs; waits up to `timeout_s` seconds for the first, or until a newer call takes
        over."""
        self._wake()
        if not self._ready and not self._signs_due:
            waiter = asyncio.get_running_loop().create_future()
            self._waiter = waiter
            await asyncio.wait({waiter}, timeout=timeout_s)
            if self._waiter is not waiter:
                return wire.Told([], [])
            self._waiter = None
        told = wire.Told(list(self._ready), self._signs)
        self._ready.clear()
        self._signs, self._signs_due = [], False
        return told

    def _send_signs(self) -> None:
        if self._signs:  # a reply may have taken them along
            self._signs_due = True
            self._wake()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class Asks(msgspec.Struct, array_like=True, frozen=True):
    """One frame towards the agent."""

    withdrawn: tuple[str, ...]
    requests: msgspec.Raw
    shown: tuple[str, ...] = ()


_asks = msgspec.msgpack.Decoder(Asks)
_encoder = msgspec.msgpack.Encoder()
