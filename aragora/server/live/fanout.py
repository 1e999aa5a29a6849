"""One follower per debate and process, for any number of clients: what it reads goes to all of them.

A listener that joins is first brought up to date from the store, page by page at its own pace, until it meets the
live stream (whose latest events are kept for that). One that joins many debates takes their pages in turns: each waits
until the one before is sent. From then on it is handed each event as it comes. So every
listener gets each seq after the one it named exactly once and in order. Handing over never waits: a listener that
cannot keep up must drop itself.

A listener that wants it (`watch`) is also handed what agents are writing, as it comes from then on. That is no event,
and some of it may be missing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

import structlog

from aragora.debate import journal
from aragora.debate.records import DebateRecord
from aragora.errors import AragoraError, Unavailable
from aragora.resilience.backoff import Backoff
from aragora.scope import Scope
from aragora.server.ports import DebateReader, EventFeed, FeedItem
from aragora.supervision import begin

_log = structlog.get_logger(__name__)

_KEPT_EVENTS: Final = 64
_PAGE: Final = 200
_BACKOFF: Final = Backoff(base_s=0.1, cap_s=5.0, attempts=8)


class Listener(Protocol):
    """Takes events. `window` is how many it takes at once when it has room."""

    window: int

    def offer(self, seq: int, payload: str) -> None:
        """Take an event now, or drop yourself; never blocks, never raises."""
        ...

    def glimpse(self, payload: str) -> None:
        """Take a message of what an agent is writing, or pass it over; never blocks, never raises."""
        ...

    def turn(self) -> AbstractAsyncContextManager[None]:
        """The right to offer a window at once: one holder at a time, entered once what was offered is sent."""
        ...

    def ended(self, debate_id: str) -> None:
        """The debate has ended: nothing more will be offered."""
        ...

    def interrupted(self, debate_id: str, message: str) -> None:
        """Nothing more will be offered though the debate may go on: come back with the last seq seen."""
        ...


class Fanout:
    """The debates followed in this process. `draw` gives uniform numbers in [0, 1) for the jitter of retries."""

    def __init__(self, feed: EventFeed, reader: DebateReader, draw: Callable[[], float]) -> None:
        self._feed = feed
        self._reader = reader
        self._draw = draw
        self._channels: dict[str, _Channel] = {}

    @property
    def followed(self) -> int:
        """How many debates are followed now."""
        return len(self._channels)

    async def join(self, debate_id: str, after_seq: int, listener: Listener, scope: Scope) -> None:
        """Bring `listener` up to date and keep it so; returns when it is on the live stream or the debate is over.

        Raises NotFound (also for a debate out of the scope) and Unavailable.
        """
        record = await self._reader.get(debate_id, scope)
        cursor: int | None = min(after_seq, record.last_seq)
        while cursor is not None:
            async with listener.turn():
                cursor = await self._advance(record, cursor, listener)

    def watch(self, debate_id: str, listener: Listener) -> None:
        """Also hand `listener`, which has joined, what agents are writing, from its beginning."""
        channel = self._channels.get(debate_id)
        if channel is not None and channel.watch(listener):
            self._feed.show(debate_id)

    def leave(self, debate_id: str, listener: Listener) -> None:
        """Offer nothing more to `listener`; the last one to leave ends the following."""
        channel = self._channels.get(debate_id)
        if channel is None:
            return
        watched = channel.watched
        if channel.detach(listener):
            self._channels.pop(debate_id)
            channel.stop()
        if watched and not channel.watched:
            self._feed.hide(debate_id)

    async def _advance(self, record: DebateRecord, cursor: int, listener: Listener) -> int | None:
        """Offer what comes after `cursor`, as much as a listener with room takes; where to go on, None where the
        listener is on the live stream or the debate is over."""
        debate_id = record.debate_id
        channel = self._channels.get(debate_id)
        if channel is not None and cursor >= channel.floor:
            channel.attach(listener, cursor)
            return None
        limit = min(_PAGE, listener.window)
        page = await self._reader.events(debate_id, cursor, limit)
        for seq, payload in enumerate(page, cursor + 1):
            listener.offer(seq, payload)
        cursor += len(page)
        if page and journal.is_end(page[-1]):
            listener.ended(debate_id)
            return None
        if len(page) < limit and debate_id not in self._channels:
            if not page and record.status.ended:
                listener.ended(debate_id)
            else:
                self._start(debate_id, cursor).attach(listener, cursor)
            return None
        if not page and cursor < self._floor(debate_id):
            raise Unavailable(f"The journal of {debate_id} cannot be read up to now. Subscribe again.")
        return cursor

    def _floor(self, debate_id: str) -> int:
        channel = self._channels.get(debate_id)
        return channel.floor if channel else 0

    def _start(self, debate_id: str, after_seq: int) -> _Channel:
        channel = _Channel(debate_id, after_seq)
        self._channels[debate_id] = channel
        channel.task = begin(self._run(channel), "follower of a debate")
        return channel

    async def _run(self, channel: _Channel) -> None:
        failures = 0
        while True:
            before = channel.last
            message = "its events stopped coming"
            try:
                async for item in self._feed.follow(channel.debate_id, channel.last):
                    channel.publish(item)
            except AragoraError as error:
                message = error.message
            except Exception as error:  # noqa: BLE001  # a broken feed must not silence its listeners
                _log.exception("feed broke", debate_id=channel.debate_id, error=type(error).__name__)
            if channel.over:
                break
            failures = 1 if channel.last > before else failures + 1
            if failures >= _BACKOFF.attempts:
                break
            await asyncio.sleep(_BACKOFF.delay_s(failures, self._draw()))
        if self._channels.get(channel.debate_id) is channel:
            del self._channels[channel.debate_id]
            if channel.watched:
                self._feed.hide(channel.debate_id)
        channel.finish(message)


class _Channel:
    """One debate being followed. `floor` is the seq before the oldest event still kept, `last` the newest seq."""

    def __init__(self, debate_id: str, after_seq: int) -> None:
        self.debate_id = debate_id
        self.floor = after_seq
        self.last = after_seq
        self.over = False
        self.task: asyncio.Task[None] | None = None
        self._kept: deque[FeedItem] = deque()
        self._listeners: dict[Listener, int] = {}  # and the seq each of them has already
        self._watching: set[Listener] = set()  # those who want what agents are writing

    @property
    def watched(self) -> bool:
        """Whether anybody wants what agents are writing."""
        return bool(self._watching)

    def attach(self, listener: Listener, cursor: int) -> None:
        for item in self._kept:
            if item.seq > cursor:
                listener.offer(item.seq, item.payload)
        self._listeners[listener] = cursor

    def watch(self, listener: Listener) -> bool:
        """Whether it is here."""
        if listener in self._listeners:
            self._watching.add(listener)
        return listener in self._listeners

    def detach(self, listener: Listener) -> bool:
        """Whether that was the last one."""
        self._watching.discard(listener)
        return self._listeners.pop(listener, None) is not None and not self._listeners

    def publish(self, item: FeedItem) -> None:
        seq = item.seq
        if seq == 0:
            for listener in self._watching:
                listener.glimpse(item.payload)
            return
        if seq <= self.last:
            return
        self.last = seq
        self.over = item.type == journal.END
        self._kept.append(item)
        if len(self._kept) > _KEPT_EVENTS:
            self.floor = self._kept.popleft().seq
        payload = item.payload
        for listener, has in self._listeners.items():
            if seq > has:
                listener.offer(seq, payload)

    def finish(self, message: str) -> None:
        for listener in tuple(self._listeners):
            if self.over:
                listener.ended(self.debate_id)
            else:
                listener.interrupted(self.debate_id, message)
        self._listeners.clear()
        self._watching.clear()

    def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
