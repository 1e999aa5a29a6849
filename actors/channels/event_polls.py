"""The way of events to replicas on other nodes: each asks again and again, and is answered when there is news."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from actors.channels.watchers import Item, Watcher, Watchers

POLL_S: Final = 10.0
SILENT_S: Final = 60.0  # a watcher that did not poll for so long is forgotten


class News(msgspec.Struct, array_like=True, frozen=True):
    """What a poll returns. `known` False: this coordinator has not met the watcher (or has restarted); `lost` True:
    the queue overflowed. In both cases the replica names its debates again and reads the store."""

    known: bool
    lost: bool
    items: list[Item]


class _Poller:
    """A watcher that polls."""

    def __init__(self) -> None:
        self.watcher = Watcher(self.wake)
        self.waiter: asyncio.Future[None] | None = None
        self.polled_at = 0.0

    def wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)


class EventPolls:
    """The replicas that poll, by the names they gave themselves."""

    def __init__(self, watchers: Watchers) -> None:
        self._watchers = watchers
        self._pollers: dict[str, _Poller] = {}

    async def poll(self, name: str, follow: Sequence[str], leave: Sequence[str]) -> bytes:
        """Start following `follow`, stop following `leave`, then return `News` (msgpack) as soon as there is any, or
        empty after `POLL_S` seconds. A newer poll of the same watcher sends an older one home."""
        loop = asyncio.get_running_loop()
        self._forget_silent(loop.time())
        poller = self._pollers.get(name)
        known = poller is not None
        if poller is None:
            poller = self._pollers[name] = _Poller()
        poller.wake()
        poller.polled_at = loop.time()
        watcher = poller.watcher
        self._watchers.change(watcher, follow, leave)
        if known and not follow and not watcher.queue and not watcher.lost:
            waiter = poller.waiter = loop.create_future()
            await asyncio.wait({waiter}, timeout=POLL_S)
            if poller.waiter is not waiter:
                return msgspec.msgpack.encode(News(True, False, []))
        poller.polled_at = loop.time()
        items, lost = watcher.take()
        return msgspec.msgpack.encode(News(known, lost, items))

    def _forget_silent(self, now: float) -> None:
        for name, poller in list(self._pollers.items()):
            if now - poller.polled_at > SILENT_S:
                self._watchers.dismiss(poller.watcher)
                del self._pollers[name]
