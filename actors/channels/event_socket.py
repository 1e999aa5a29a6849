"""The way of events to replicas on the same node: a coordinator's socket, to which they are pushed.

Towards the coordinator a frame is a `Change`, back come `Told`s: what was published in one loop turn travels
together. A replica that does not read is cut off, connects again, and reads the store.
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from actors.channels.frames import FrameConnection, FrameServer
from actors.channels.watchers import Item, Watcher, Watchers

FLUSH_ITEMS: Final = 200  # in a queue: do not wait for the end of the loop turn


class Change(msgspec.Struct, array_like=True, frozen=True):
    """What a replica begins and ceases to follow. It numbers its changes 1, 2, ..."""

    number: int
    follow: tuple[str, ...]
    leave: tuple[str, ...]


class Told(msgspec.Struct, array_like=True, frozen=True):
    """News for a replica, and the number of its last change that was made."""

    changed: int
    items: list[Item]


class EventSocket:
    """The coordinator's end."""

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


class _Outlet:
    """One connected replica."""

    def __init__(self, watchers: Watchers) -> None:
        self._watchers = watchers
        self._watcher = Watcher(self._wake)
        self._changed = 0
        self._flushing = False
        self.connection = FrameConnection(self._received, lambda: watchers.dismiss(self._watcher))

    def _received(self, _: FrameConnection, frame: bytes) -> None:
        change = msgspec.msgpack.decode(frame, type=Change)
        self._watchers.change(self._watcher, change.follow, change.leave)
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
        items, lost = self._watcher.take()
        if lost:
            self.connection.close()
        else:
            self.connection.send(msgspec.msgpack.encode(Told(self._changed, items)))
