"""Live events of debates and executions in an ingress replica: the store for what was, a line to each actor that
writes journals for what comes.

A follower is first registered with that actor, a coordinator or the runner of workflows, then reads the store, then
takes what arrives. Items carry their seq: one that was read already is skipped, a hole is filled from the store. So
nothing is missed or repeated, whether the actor restarts, the line breaks, or a queue overflows.

What agents are writing (`show`) comes between the events, with seq 0; some of it may be lost, and a follower that does
not keep up gets none.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from typing import Final

import msgspec
import structlog

from actors.channels.watchers import Item
from actors.gateways.event_lines import Line, Listener
from aragora.background import until_available
from aragora.debate.sharding import owner
from aragora.errors import AragoraError
from aragora.scope import EVERYTHING
from aragora.server.ports import FeedItem, Journals
from aragora.supervision import begin

log = structlog.get_logger("aragora.feed")

PAGE: Final = 500
LOOK_AGAIN_S: Final = 15.0  # a follower that heard nothing for so long looks into the store itself
WAITING: Final = 200  # items of one follower: with more, what agents are writing is dropped
PAUSE_S: Final = 0.25  # before an actor that was not reached is tried again

OpenLine = Callable[[str, Listener], Awaitable[Line]]


class _Head(msgspec.Struct):
    type: str
    seq: int


_head = msgspec.json.Decoder(_Head)


class _Follower:
    def __init__(self) -> None:
        self.items: deque[Item] = deque()
        self.stale = False  # read the store before going on
        self.arrived = asyncio.Event()

    def push(self, item: Item) -> None:
        if item.seq == 0 and len(self.items) >= WAITING:
            return
        self.items.append(item)
        self.arrived.set()

    def next_after(self, last: int) -> Item | None:
        """What is to be handed on next; None where nothing is, or the store must be read before."""
        while self.items and not self.stale:
            item = self.items.popleft()
            if item.seq in (0, last + 1):
                return item
            if item.seq > last:
                self.items.appendleft(item)
                self.stale = True
        return None

    def refresh(self) -> None:
        self.stale = True
        self.arrived.set()


class JournalFeed:
    """Fulfils `aragora.server.ports.EventFeed` for one replica.

    Args:
        open_line: of a key of an actor and a listener: `actors.gateways.event_lines.open_line` on the replica's runtime
            and that kind of actors.
        journals: what is followed.
        keys: of the actors that write them, shard by shard.
        what: such an actor is called in the log.
    """

    def __init__(self, open_line: OpenLine, journals: Journals, keys: Sequence[str], what: str) -> None:
        self._journals = journals
        self._shards = [_ShardFeed(open_line, key, what) for key in keys]

    async def follow(self, journal_id: str, after_seq: int = 0) -> AsyncGenerator[FeedItem, None]:
        """See the port."""
        journals = self._journals
        await journals.state(journal_id, EVERYTHING)
        shard = self._shards[owner(journal_id, len(self._shards))]
        follower = _Follower()
        last = after_seq
        try:
            await shard.add(journal_id, follower)
            follower.stale = True
            while True:
                if follower.stale:
                    follower.stale = False
                    async for item in self._stored(journal_id, last):
                        yield item
                        last = item.seq
                        if item.type in journals.ends:
                            return
                    if journals.may_end and await self._over(journal_id, last):
                        return
                while (live := follower.next_after(last)) is not None:
                    last = max(last, live.seq)
                    yield FeedItem(live.journal_id, live.seq, live.type, live.payload)
                    if live.type in journals.ends:
                        return
                    if live.type in journals.may_end:
                        follower.stale = True
                if not follower.stale:
                    await self._wait(follower)
        finally:
            shard.remove(journal_id, follower)

    def show(self, journal_id: str) -> None:
        """See the port."""
        self._shards[owner(journal_id, len(self._shards))].show(journal_id)

    def hide(self, journal_id: str) -> None:
        """See the port."""
        self._shards[owner(journal_id, len(self._shards))].hide(journal_id)

    async def _stored(self, journal_id: str, after: int) -> AsyncIterator[FeedItem]:
        while True:
            page = await self._journals.events(journal_id, after, PAGE)
            for payload in page:
                head = _head.decode(payload)
                after = head.seq
                yield FeedItem(journal_id, head.seq, head.type, payload)
            if len(page) < PAGE:
                return

    async def _over(self, journal_id: str, last: int) -> bool:
        """Whether nothing comes after `last` by itself. The state is read after the rows were: what was written between
        is news."""
        state = await self._journals.state(journal_id, EVERYTHING)
        return state.over and state.last_seq <= last

    async def _wait(self, follower: _Follower) -> None:
        follower.arrived.clear()
        if follower.items or follower.stale:
            return
        try:
            # Not wait_for: before Python 3.12 it loses a cancellation that comes together with the event.
            async with asyncio.timeout(LOOK_AGAIN_S):
                await follower.arrived.wait()
        except TimeoutError:
            follower.stale = True


class _ShardFeed:
    """What is followed of one actor, and the line on which it comes: opened when the first follower
    comes, and again whenever it is lost while anybody follows."""

    def __init__(self, open_line: OpenLine, key: str, what: str) -> None:
        self._open_line = open_line
        self._key = key
        self._told_lost, self._told_away = f"{what} lost", f"{what} not reached"
        self._followers: dict[str, set[_Follower]] = {}
        self._entering: dict[str, asyncio.Future[None]] = {}  # not known to the actor yet
        self._telling: dict[str, asyncio.Future[None]] = {}  # on their way to it
        self._leaving: set[str] = set()
        self._shown: set[str] = set()  # debates of which it is wanted what agents are writing
        self._to_show: set[str] = set()  # those of them that are followed, and of which the actor does not know
        self._line: Line | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def add(self, journal_id: str, follower: _Follower) -> None:
        """Register; returns when the actor knows, or was not reached (which is tried again). Whoever does not
        wait for that is registered all the same: `remove` it."""
        followers = self._followers.setdefault(journal_id, set())
        if not followers:
            self._entering[journal_id] = asyncio.get_running_loop().create_future()
        followers.add(follower)
        known = self._entering.get(journal_id) or self._telling.get(journal_id)
        self._keep_soon()
        if known is not None:
            await asyncio.wait({known})

    def show(self, journal_id: str) -> None:
        """Tell the actor, again where it knows already; with a debate that nobody follows yet, when somebody
        does."""
        self._shown.add(journal_id)
        if journal_id in self._followers and journal_id not in self._entering:
            self._to_show.add(journal_id)
            self._keep_soon()

    def hide(self, journal_id: str) -> None:
        """The coordinator is not told: what still comes is passed over, and it ends when nobody follows any more."""
        self._shown.discard(journal_id)
        self._to_show.discard(journal_id)

    def remove(self, journal_id: str, follower: _Follower) -> None:
        followers = self._followers.get(journal_id, set())
        followers.discard(follower)
        if not followers:
            self._followers.pop(journal_id, None)
            self._entering.pop(journal_id, None)
            self._leaving.add(journal_id)
            self._keep_soon()

    def _keep_soon(self) -> None:
        if self._keeping is None or self._keeping.done():
            self._keeping = begin(self._keep(), "line to an actor that writes journals")

    async def _keep(self) -> None:
        """Tell the actor what changed here, until it knows everything."""
        await asyncio.sleep(0)  # followers that come in the same turn register together
        await until_available(
            self._tell_changes,
            lambda _: PAUSE_S,
            what=self._told_away,
            log=log,
            retried=Exception,
            shard=self._key,
        )

    async def _tell_changes(self) -> None:
        """Raises AragoraError where the actor is not reached; then all is to be told on the next line."""
        while self._untold():
            self._telling, self._entering = self._entering, {}
            leaving, self._leaving = self._leaving - self._telling.keys(), set()
            showing = (self._to_show & self._followers.keys()) | (self._shown & self._telling.keys())
            self._to_show = set()
            try:
                await self._tell(tuple(self._telling), tuple(leaving), tuple(showing))
            except AragoraError:
                self._drop_line()
                self._refresh()
                raise
            finally:
                self._end_telling()
            if self._line is None:  # lost meanwhile, as `_lost` has logged
                self._refresh()
                await asyncio.sleep(PAUSE_S)

    def _untold(self) -> bool:
        """Whether the actor is still to be told something."""
        told_on_the_line = self._leaving or self._to_show
        return bool(self._entering or (told_on_the_line and self._line) or (self._followers and not self._line))

    def _end_telling(self) -> None:
        for known in self._telling.values():
            if not known.done():
                known.set_result(None)
        self._telling = {}

    async def _tell(self, entering: tuple[str, ...], leaving: tuple[str, ...], showing: tuple[str, ...]) -> None:
        if self._line is not None:
            await self._change(self._line, entering, leaving, showing)
            return
        self._line = await self._open_line(self._key, Listener(self._heard, self._lost))
        await self._change(self._line, tuple(self._followers), (), tuple(self._shown & self._followers.keys()))
        self._refresh()  # what was published since the last line was lost is in the store

    async def _change(
        self, line: Line, entering: tuple[str, ...], leaving: tuple[str, ...], showing: tuple[str, ...]
    ) -> None:
        """Raises AragoraError, but not where the line was lost meanwhile."""
        try:
            await line.change(entering, leaving, showing)
        except AragoraError:
            if self._line is line:
                raise

    def _heard(self, items: Sequence[Item]) -> None:
        for item in items:
            if item.seq == 0 and item.journal_id not in self._shown:
                continue
            for follower in self._followers.get(item.journal_id, ()):
                follower.push(item)

    def _lost(self, error: AragoraError) -> None:
        self._line = None
        if self._followers:
            log.warning(self._told_lost, shard=self._key, error=error.message)
            self._keep_soon()

    def _drop_line(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def _refresh(self) -> None:
        for followers in self._followers.values():
            for follower in followers:
                follower.refresh()
