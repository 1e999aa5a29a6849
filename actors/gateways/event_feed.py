"""Live events of debates in an ingress replica: the store for what was, a long poll per coordinator for what comes.

A follower is first registered with the coordinator, then reads the store, then takes what arrives. Items carry
their seq: one that was read already is skipped, a hole is filled from the store. So nothing is missed or repeated,
whether the coordinator restarts, the poll breaks, or the queue overflows.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

import msgspec
import structlog

from actors.runtime import Runtime
from actors.watchers import POLL_S, Item, News
from aragora.debate.sharding import owner
from aragora.errors import AragoraError
from aragora.ids import new_id
from aragora.server.ports import DebateReader, FeedItem

log = structlog.get_logger("aragora.feed")

PAGE: Final = 500
LOOK_AGAIN_S: Final = 15.0  # a follower that heard nothing for so long looks into the store itself
PAUSE_S: Final = 0.25  # after a poll that failed

_news = msgspec.msgpack.Decoder(News)


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
        self.items.append(item)
        self.arrived.set()

    def refresh(self) -> None:
        self.stale = True
        self.arrived.set()


class CoordinatorFeed:
    """Fulfils `aragora.server.ports.EventFeed` for one replica."""

    def __init__(self, runtime: Runtime, reader: DebateReader, shards: int) -> None:
        self._reader = reader
        self._shards = [_ShardPoll(runtime, str(shard)) for shard in range(shards)]

    async def follow(self, debate_id: str, after_seq: int = 0) -> AsyncIterator[FeedItem]:
        """See the port. The debate's end ends the iterator."""
        await self._reader.get(debate_id)
        shard = self._shards[owner(debate_id, len(self._shards))]
        follower = _Follower()
        await shard.add(debate_id, follower)
        last = after_seq
        try:
            follower.stale = True
            while True:
                if follower.stale:
                    follower.stale = False
                    async for item in self._stored(debate_id, last):
                        yield item
                        last = item.seq
                        if item.type == "debate_end":
                            return
                while follower.items and not follower.stale:
                    live = follower.items.popleft()
                    if live.seq > last + 1:
                        follower.items.appendleft(live)
                        follower.stale = True
                    elif live.seq == last + 1:
                        last = live.seq
                        yield FeedItem(live.debate_id, live.seq, live.type, live.payload)
                        if live.type == "debate_end":
                            return
                if not follower.stale:
                    await self._wait(follower)
        finally:
            shard.remove(debate_id, follower)

    async def _stored(self, debate_id: str, after: int) -> AsyncIterator[FeedItem]:
        while True:
            page = await self._reader.events(debate_id, after, PAGE)
            for payload in page:
                head = _head.decode(payload)
                after = head.seq
                yield FeedItem(debate_id, head.seq, head.type, payload)
            if len(page) < PAGE:
                return

    async def _wait(self, follower: _Follower) -> None:
        follower.arrived.clear()
        if follower.items or follower.stale:
            return
        try:
            await asyncio.wait_for(follower.arrived.wait(), LOOK_AGAIN_S)
        except TimeoutError:
            follower.stale = True


class _ShardPoll:
    """The long poll of one coordinator shard, running while anybody follows one of its debates."""

    def __init__(self, runtime: Runtime, shard: str) -> None:
        self._runtime = runtime
        self._shard = shard
        self._name = new_id("watcher")
        self._followers: dict[str, set[_Follower]] = {}
        self._entering: set[str] = set()
        self._leaving: set[str] = set()
        self._registering: asyncio.Task[None] | None = None
        self._polling: asyncio.Task[None] | None = None

    async def add(self, debate_id: str, follower: _Follower) -> None:
        """Register; returns when the coordinator knows, or cannot be reached (the poll goes on trying)."""
        followers = self._followers.setdefault(debate_id, set())
        followers.add(follower)
        if len(followers) == 1:
            self._leaving.discard(debate_id)
            self._entering.add(debate_id)
        if self._registering is None or self._registering.done():
            self._registering = asyncio.get_running_loop().create_task(self._register())
        await asyncio.wait({self._registering})
        if debate_id in self._entering:  # joined while a registration was on its way
            await self.add(debate_id, follower)
        elif self._polling is None or self._polling.done():
            self._polling = asyncio.get_running_loop().create_task(self._poll())

    def remove(self, debate_id: str, follower: _Follower) -> None:
        followers = self._followers.get(debate_id, set())
        followers.discard(follower)
        if not followers:
            self._followers.pop(debate_id, None)
            self._entering.discard(debate_id)
            self._leaving.add(debate_id)

    async def _register(self) -> None:
        await asyncio.sleep(0)  # followers that come in the same turn register together
        entering, self._entering = tuple(self._entering), set()
        await self._ask(entering)

    async def _poll(self) -> None:
        while self._followers:
            if not await self._ask(()):
                await asyncio.sleep(PAUSE_S)

    async def _ask(self, entering: tuple[str, ...]) -> bool:
        leaving, self._leaving = tuple(self._leaving), set()
        try:
            raw = await self._runtime.ask(
                "coordinator", self._shard, "watch", self._name, entering, leaving, timeout_s=POLL_S + 10.0
            )
        except AragoraError as error:
            log.warning("coordinator not reached", shard=self._shard, error=error.message)
            self._refresh()
            return False
        news = _news.decode(raw)
        for item in news.items:
            for follower in self._followers.get(item.debate_id, ()):
                follower.push(item)
        if news.lost:
            self._refresh()
        if not news.known and set(self._followers) - set(entering):
            return await self._enter_all()
        return True

    async def _enter_all(self) -> bool:
        """The coordinator does not know this replica (any more): name every debate again, then read the store."""
        try:
            raw = await self._runtime.ask(
                "coordinator", self._shard, "watch", self._name, tuple(self._followers), (), timeout_s=POLL_S
            )
        except AragoraError:
            return False
        for item in _news.decode(raw).items:
            for follower in self._followers.get(item.debate_id, ()):
                follower.push(item)
        self._refresh()
        return True

    def _refresh(self) -> None:
        for followers in self._followers.values():
            for follower in followers:
                follower.refresh()
