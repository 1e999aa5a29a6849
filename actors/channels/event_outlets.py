"""The side of whoever has events, a coordinator or the runner of workflows: the two ways in which a replica's queue
(`actors.channels.watchers`) reaches it.

Replicas on the same node connect to its socket (`EventSocket`), and news is pushed to them. Towards it a frame is a
`Change`, back come `Pushed` frames: what was published in one loop turn travels together. A
replica that reads slowly gets later what its queue holds; one whose queue overflows, or that does not read at all, is
cut off, connects again, and reads the store.

Replicas on other nodes poll (`EventPolls`): each call is answered as soon as there is news.

What agents are writing comes among the news, for debates that a replica wants to see so (`show`).

News that has no encoding is as news that was lost: its replica reads the store, and the others hear nothing of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec
import structlog

from actors.channels.sockets import FrameConnection, FrameServer
from actors.channels.watchers import Item, Watcher, Watchers

log = structlog.get_logger("aragora.coordinator")

FLUSH_ITEMS: Final = 200  # in a queue: do not wait for the end of the loop turn
POLL_S: Final = 10.0  # a poll without news returns after this many seconds
SILENT_S: Final = 60.0  # a watcher that did not poll for so long is forgotten


_NOT_ENCODABLE: Final = (ValueError, TypeError, OverflowError)


class Change(msgspec.Struct, array_like=True, frozen=True):
    """What a replica begins and ceases to follow, and of which debates it also wants what agents are writing. It
    numbers its changes 1, 2, ..."""

    number: int
    follow: tuple[str, ...]
    leave: tuple[str, ...]
    show: tuple[str, ...] = ()


class Pushed(msgspec.Struct, array_like=True, frozen=True):
    """News for a replica, and the number of its last change that was made."""

    changed: int
    items: list[Item]


class Polled(msgspec.Struct, array_like=True, frozen=True):
    """What a poll returns. `known` False: this process has not met the watcher (or has restarted); `lost` True:
    the queue overflowed. In both cases the replica names its journals again and reads the store."""

    known: bool
    lost: bool
    items: list[Item]


class EventSocket:
    """This end."""

    def __init__(self, watchers: Watchers) -> None:
        self._watchers = watchers
        self._server = FrameServer(self._connect)

    async def listen(self) -> str:
        """See `FrameServer.listen`."""
        return await self._server.listen()

    def close(self) -> None:
        self._server.close()

    def _connect(self) -> FrameConnection:
        return _Outlet(self._watchers).connection


class EventPolls:
    """The replicas that poll, by the names they gave themselves."""

    def __init__(self, watchers: Watchers) -> None:
        self._watchers = watchers
        self._pollers: dict[str, _Poller] = {}

    async def poll(self, name: str, follow: Sequence[str], leave: Sequence[str], show: Sequence[str] = ()) -> bytes:
        """Start following `follow`, stop following `leave`, show of `show` what agents are writing. Then return
        `Polled` (msgpack) as soon as there is news, or empty after `POLL_S` seconds. A newer poll of the same watcher
        sends an older one home."""
        loop = asyncio.get_running_loop()
        self.forget_silent()
        poller = self._pollers.get(name)
        known = poller is not None
        if poller is None:
            poller = self._pollers[name] = _Poller()
        poller.wake()
        poller.polled_at = loop.time()
        watcher = poller.watcher
        self._watchers.change(watcher, follow, leave, show)
        if known and not follow and not show and not watcher.queue and not watcher.lost:
            waiter = poller.waiter = loop.create_future()
            await asyncio.wait({waiter}, timeout=POLL_S)
            if poller.waiter is not waiter:
                return msgspec.msgpack.encode(Polled(True, False, []))
        poller.polled_at = loop.time()
        items, lost = watcher.take()
        try:
            return msgspec.msgpack.encode(Polled(known, lost, items))
        except _NOT_ENCODABLE as error:
            _log_unencodable(items, error)
            return msgspec.msgpack.encode(Polled(known, True, []))

    def forget_silent(self) -> None:
        """Forget the replicas that did not poll for `SILENT_S` seconds."""
        now = asyncio.get_running_loop().time()
        for name, poller in list(self._pollers.items()):
            if now - poller.polled_at > SILENT_S:
                self._watchers.dismiss(poller.watcher)
                del self._pollers[name]


class _Outlet:
    """One connected replica."""

    def __init__(self, watchers: Watchers) -> None:
        self._watchers = watchers
        self._watcher = Watcher(self._wake)
        self._changed = 0
        self._flushing = False
        self.connection = FrameConnection(self._received, lambda: watchers.dismiss(self._watcher), self._flush_soon)

    def _received(self, _: FrameConnection, frame: bytes) -> None:
        change = msgspec.msgpack.decode(frame, type=Change)
        self._watchers.change(self._watcher, change.follow, change.leave, change.show)
        self._changed = change.number
        self._flush_soon()

    def _wake(self) -> None:
        if len(self._watcher.queue) >= FLUSH_ITEMS:
            self._flush()
        else:
            self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush_turn)

    def _flush_turn(self) -> None:
        self._flushing = False
        self._flush()

    def _flush(self) -> None:
        if not self.connection.writable and not self._watcher.lost:
            return
        items, lost = self._watcher.take()
        if lost:
            self.connection.close()
        else:
            self._push(items)

    def _push(self, items: list[Item]) -> None:
        """The items left the queue: where they cannot be encoded, the replica connects again and reads the store."""
        try:
            frame = msgspec.msgpack.encode(Pushed(self._changed, items))
        except _NOT_ENCODABLE as error:
            _log_unencodable(items, error)
            self.connection.close()
            return
        self.connection.send(frame)


def _log_unencodable(items: list[Item], error: Exception) -> None:
    log.warning("news cannot be encoded", items=len(items), error=type(error).__name__)


class _Poller:
    """A watcher that polls."""

    def __init__(self) -> None:
        self.watcher = Watcher(self.wake)
        self.waiter: asyncio.Future[None] | None = None
        self.polled_at = 0.0

    def wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)
