"""Replies that wait for a coordinator to fetch them by a Ray call."""

from __future__ import annotations

import asyncio
from typing import Final

from aragora.debate.model import Reply

POLL_S: Final = 10.0  # an exchange without replies returns after this many seconds


class Mailbox:
    """The replies that wait for one coordinator, and the call that waits for them."""

    def __init__(self) -> None:
        self._ready: list[Reply] = []
        self._waiter: asyncio.Future[None] | None = None

    def put(self, reply: Reply) -> None:
        self._ready.append(reply)
        self._wake()

    async def take(self, timeout_s: float) -> list[Reply]:
        """All ready replies; waits up to `timeout_s` seconds for the first, or until a newer call takes over."""
        self._wake()
        if not self._ready:
            waiter = asyncio.get_running_loop().create_future()
            self._waiter = waiter
            await asyncio.wait({waiter}, timeout=timeout_s)
            if self._waiter is not waiter:
                return []
            self._waiter = None
        ready, self._ready = self._ready, []
        return ready

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
