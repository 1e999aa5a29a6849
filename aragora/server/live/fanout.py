"""One follower per debate or execution and process, for any number of clients: what it reads goes to all of them.

A listener that joins is first brought up to date from the store, page by page at its own pace, until it meets the
live stream (whose latest events are kept for that). One that joins many journals takes their pages in turns: each waits
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

from aragora.errors import AragoraError, Unavailable
from aragora.resilience.backoff import Backoff
from aragora.scope import Scope
from aragora.server.ports import EventFeed, FeedItem, Journals, JournalState
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

    def ended(self, journal_id: str) -> None:
        """The journal is over: nothing more will be offered."""
        ...

    def interrupted(self, journal_id: str, message: str) -> None:
        """Nothing more will be offered though the journal may go on: come back with the last seq seen."""
        ...


class Fanout:
    """The journals of one sort that are followed in this process; a journal has the id of what it is of. `feed` follows
    these `journals`; `draw` gives uniform numbers in [0, 1) for the jitter of retries."""

    def __init__(self, feed: EventFeed, journals: Journals, draw: Callable[[], float]) -> None:
        self._feed = feed
        self._journals = journals
        self._draw = draw
        self._channels: dict[str, _Channel] = {}

    @property
    def followed(self) -> int:
        """How many journals are followed now."""
        return len(self._channels)

    async def join(self, journal_id: str, after_seq: int, listener: Listener, scope: Scope) -> None:
        """Bring `listener` up to date and keep it so; returns when it is on the live stream or the journal is over.

        Raises NotFound (also for one out of the scope) and Unavailable.
        """
        state = await self._journals.state(journal_id, scope)
        cursor: int | None = min(after_seq, state.last_seq)
        while cursor is not None:
            async with listener.turn():
                cursor = await self._advance(journal_id, state, cursor, listener)

    def watch(self, journal_id: str, listener: Listener) -> None:
        """Also hand `listener`, which has joined, what agents are writing, from its beginning."""
        channel = self._channels.get(journal_id)
        if channel is not None and channel.watch(listener):
            self._feed.show(journal_id)

    def leave(self, journal_id: str, listener: Listener) -> None:
        """Offer nothing more to `listener`; the last one to leave ends the following."""
        channel = self._channels.get(journal_id)
        if channel is None:
            return
        watched = channel.watched
        if channel.detach(listener):
            self._channels.pop(journal_id)
            channel.stop()
        if watched and not channel.watched:
            self._feed.hide(journal_id)

    async def _advance(self, journal_id: str, state: JournalState, cursor: int, listener: Listener) -> int | None:
        """Offer what comes after `cursor`, as much as a listener with room takes; where to go on, None where the
        listener is on the live stream or the journal is over. `state` was read before."""
        channel = self._channels.get(journal_id)
        if channel is not None and cursor >= channel.floor:
            channel.attach(listener, cursor)
            return None
        limit = min(_PAGE, listener.window)
        page = await self._journals.events(journal_id, cursor, limit)
        for seq, payload in enumerate(page, cursor + 1):
            listener.offer(seq, payload)
        cursor += len(page)
        if page and self._journals.is_last(page[-1]):
            listener.ended(journal_id)
            return None
        if len(page) < limit and journal_id not in self._channels:
            if not page and state.over and cursor <= state.last_seq:
                listener.ended(journal_id)
            else:
                self._start(journal_id, cursor).attach(listener, cursor)
            return None
        if not page and cursor < self._floor(journal_id):
            raise Unavailable(f"The journal of {journal_id} cannot be read up to now. Subscribe again.")
        return cursor

    def _floor(self, journal_id: str) -> int:
        channel = self._channels.get(journal_id)
        return channel.floor if channel else 0

    def _start(self, journal_id: str, after_seq: int) -> _Channel:
        channel = _Channel(journal_id, after_seq)
        self._channels[journal_id] = channel
        channel.task = begin(self._run(channel), "follower of a journal")
        return channel

    async def _run(self, channel: _Channel) -> None:
        failures = 0
        while True:
            before = channel.last
            message = "its events stopped coming"
            try:
                async for item in self._feed.follow(channel.journal_id, channel.last):
                    channel.publish(item)
                channel.over = True
            except AragoraError as error:
                message = error.message
            except Exception as error:  # noqa: BLE001  # a broken feed must not silence its listeners
                _log.exception("feed broke", journal_id=channel.journal_id, error=type(error).__name__)
            if channel.over:
                break
            failures = 1 if channel.last > before else failures + 1
            if failures >= _BACKOFF.attempts:
                break
            await asyncio.sleep(_BACKOFF.delay_s(failures, self._draw()))
        if self._channels.get(channel.journal_id) is channel:
            del self._channels[channel.journal_id]
            if channel.watched:
                self._feed.hide(channel.journal_id)
        channel.finish(message)


class _Channel:
    """One journal being followed. `floor` is the seq before the oldest event still kept, `last` the newest seq."""

    def __init__(self, journal_id: str, after_seq: int) -> None:
        self.journal_id = journal_id
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
                listener.ended(self.journal_id)
            else:
                listener.interrupted(self.journal_id, message)
        self._listeners.clear()
        self._watching.clear()

    def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
