"""Who follows debates live: one watcher per ingress replica, one queue each, read by long poll.

A replica names the debates it follows; from then on every durable row of them is queued for it. It reads what came
before from the store, so nothing is kept here for latecomers. A watcher that reads too slowly loses its queue and
is told so: it then reads the store, and misses nothing.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import msgspec

from aragora.debate.journal import JournalRow

POLL_S: Final = 10.0
SILENT_S: Final = 60.0  # a watcher that did not poll for so long is forgotten


class Item(msgspec.Struct, array_like=True, frozen=True):
    """One durable row on its way to a replica."""

    debate_id: str
    seq: int
    type: str
    payload: str


class News(msgspec.Struct, array_like=True, frozen=True):
    """What a poll returns. `known` False: this coordinator has not met the watcher (or has restarted); `lost` True:
    the queue overflowed. In both cases the replica names its debates again and reads the store."""

    known: bool
    lost: bool
    items: list[Item]


class _Watcher:
    def __init__(self) -> None:
        self.debates: set[str] = set()
        self.queue: list[Item] = []
        self.lost = False
        self.waiter: asyncio.Future[None] | None = None
        self.polled_at = 0.0

    def wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)


class Watchers:
    """Fulfils `aragora.debate.ports.Publishing`. `buffer` bounds each watcher's queue, in rows."""

    def __init__(self, buffer: int) -> None:
        self._buffer = buffer
        self._watchers: dict[str, _Watcher] = {}
        self._by_debate: defaultdict[str, set[str]] = defaultdict(set)

    def publish(self, rows: Sequence[JournalRow]) -> None:
        watching = self._by_debate.get(rows[0].debate_id)
        if not watching:
            return
        items = [Item(row.debate_id, row.seq, row.type, row.payload) for row in rows]
        for name in watching:
            watcher = self._watchers[name]
            if len(watcher.queue) + len(items) > self._buffer:
                watcher.queue.clear()
                watcher.lost = True
            else:
                watcher.queue.extend(items)
            watcher.wake()

    async def poll(self, name: str, follow: Sequence[str], leave: Sequence[str]) -> bytes:
        """Start following `follow`, stop following `leave`, then return `News` (msgpack) as soon as there is any, or
        empty after `POLL_S` seconds. A newer poll of the same watcher sends an older one home."""
        loop = asyncio.get_running_loop()
        self._forget_silent(loop.time())
        watcher = self._watchers.get(name)
        known = watcher is not None
        if watcher is None:
            watcher = self._watchers[name] = _Watcher()
        watcher.wake()
        watcher.polled_at = loop.time()
        self._change(name, watcher, follow, leave)
        if known and not follow and not watcher.queue and not watcher.lost:
            waiter = watcher.waiter = loop.create_future()
            await asyncio.wait({waiter}, timeout=POLL_S)
            if watcher.waiter is not waiter:
                return msgspec.msgpack.encode(News(True, False, []))
        watcher.polled_at = loop.time()
        items, watcher.queue = watcher.queue, []
        lost, watcher.lost = watcher.lost, False
        return msgspec.msgpack.encode(News(known, lost, items))

    def _change(self, name: str, watcher: _Watcher, follow: Sequence[str], leave: Sequence[str]) -> None:
        for debate_id in follow:
            watcher.debates.add(debate_id)
            self._by_debate[debate_id].add(name)
        for debate_id in leave:
            self._leave(name, watcher, debate_id)

    def _leave(self, name: str, watcher: _Watcher, debate_id: str) -> None:
        watcher.debates.discard(debate_id)
        watching = self._by_debate.get(debate_id)
        if watching is not None:
            watching.discard(name)
            if not watching:
                del self._by_debate[debate_id]

    def _forget_silent(self, now: float) -> None:
        for name, watcher in list(self._watchers.items()):
            if now - watcher.polled_at > SILENT_S:
                for debate_id in list(watcher.debates):
                    self._leave(name, watcher, debate_id)
                del self._watchers[name]
