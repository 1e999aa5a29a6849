"""What a client holds open in this process: a WebSocket, an event stream, a download. One set of rules for all.

It belongs to a caller, whose login is looked at while it is open. It ends when the client leaves, when it is done, or
when `close` is called; then the task that sends is cancelled, so a client that reads nothing cannot hold it.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog
from starlette.types import Receive

from aragora.clock import Clock
from aragora.server.authentication import Caller

GOING_AWAY: Final = 1001
UNSUPPORTED: Final = 1003
POLICY: Final = 1008
TOO_BIG: Final = 1009
RESTART: Final = 1012
TRY_LATER: Final = 1013

_log: Final[structlog.stdlib.BoundLogger] = structlog.get_logger("aragora.server")

CLOSE_GRACE_S: Final = 10.0
_MOST_BEFORE_HINTS: Final = 8  # a hint is queued while less than this part (one in 8) of a queue is taken
_MAX_REASON_BYTES: Final = 123  # RFC 6455, 5.5


class Held(ABC):
    """`sending_since` is the monotonic second since when the client has not taken what it is sent; None where nothing
    is under way. `sent` and `dropped` count messages."""

    def __init__(self, caller: Caller, clock: Clock) -> None:
        self.caller = caller
        self.sent = 0
        self.dropped = 0
        self.last_sent_at = clock.monotonic()
        self.sending_since: float | None = None
        self._clock = clock
        self._closing: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()

    @property
    def closed(self) -> tuple[int, str] | None:
        """The code and reason of the first `close`; None where nobody called it."""
        return self._closing.result() if self._closing.done() else None

    def close(self, code: int, reason: str) -> None:
        """End it soon, with this reason; the first call counts. The codes are those of WebSocket."""
        if not self._closing.done():
            self._closing.set_result((code, reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")))

    async def live(self, reader: asyncio.Task[None]) -> None:
        """Send until the client leaves (`reader` ends), all is sent, or `close` is called."""
        writer = asyncio.create_task(self._write())
        try:
            ends: set[asyncio.Future[Any]] = {writer, reader, self._closing}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (writer, reader):
                task.cancel()
            for ended in await asyncio.gather(writer, reader, return_exceptions=True):
                if isinstance(ended, Exception) and not isinstance(ended, OSError):  # OSError: the client is gone
                    _log.error("a connection broke", held=type(self).__name__, exc_info=ended)

    @abstractmethod
    def beat(self) -> None:
        """Nothing was sent for as long as a heartbeat: give a sign of life, where the form allows one."""

    @abstractmethod
    async def _write(self) -> None:
        """Send; returns when nothing more will come."""


class Outlet(Held):
    """A `Listener` of the fan-out with a bounded queue of texts. Offering a text never waits for the network: a client
    whose queue overflows is dropped."""

    def __init__(self, caller: Caller, clock: Clock, queue_bound: int) -> None:
        super().__init__(caller, clock)
        self.window = max(1, queue_bound // 2)
        self._bound = queue_bound
        self._queue: deque[str] = deque()
        self._last = False  # nothing is queued after what is queued now
        self._turn = asyncio.Lock()
        # Bare futures, made only where a task waits: events would cost more than the sending itself.
        self._idle_writer: asyncio.Future[None] | None = None
        self._waits_for_room: asyncio.Future[None] | None = None

    def say(self, text: str) -> None:
        """Queue a text, or drop the client whose queue is full."""
        if self._closing.done() or self._last:
            self.dropped += 1
        elif len(self._queue) >= self._bound:
            self.dropped += 1
            self.close(TRY_LATER, f"slow client: {self._bound} messages behind; reconnect with after_seq")
        else:
            self._queue.append(text)
            self._wake()

    def hint(self, text: str) -> None:
        """Queue a text that may be missing: a client that does not keep up gets it not, and is not dropped for it."""
        if len(self._queue) * _MOST_BEFORE_HINTS < self._bound and not self._last and not self._closing.done():
            self._queue.append(text)
            self._wake()

    def finish(self) -> None:
        """End it once what is queued is sent."""
        self._last = True
        self._wake()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """The right to offer a window at once: one holder at a time, entered once what was offered is sent."""
        async with self._turn:
            while self._queue or self.sending_since is not None:
                self._waits_for_room = asyncio.get_running_loop().create_future()
                await self._waits_for_room
            yield

    async def live(self, reader: asyncio.Task[None]) -> None:
        try:
            await super().live(reader)
        finally:
            self.dropped += len(self._queue)
            self._queue.clear()

    @abstractmethod
    async def _send_next(self, queue: deque[str]) -> None:
        """Take at least one text from the queue and send it."""

    async def _write(self) -> None:
        queue, clock = self._queue, self._clock
        loop = asyncio.get_running_loop()
        while True:
            while queue:
                self.last_sent_at = self.sending_since = clock.monotonic()
                await self._send_next(queue)
            self.sending_since = None
            _resolve(self._waits_for_room)
            if self._last:
                return
            self._idle_writer = loop.create_future()
            await self._idle_writer
            self._idle_writer = None

    def _wake(self) -> None:
        _resolve(self._idle_writer)


def _resolve(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)


async def gone(receive: Receive) -> None:
    """Returns when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        continue
