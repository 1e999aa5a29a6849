"""Who waits for the next event of an execution. What an event says is read from the store: here it is only told that
there is one, so nothing is kept and nothing can be lost."""

from __future__ import annotations

import asyncio
from collections import defaultdict


class Followers:
    """Fulfils `aragora.workflows.ports.Publishing`. Belongs to one event loop."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Future[None]]] = defaultdict(set)

    def publish(self, execution_id: str) -> None:
        """Something new of it is durable. Never raises."""
        for one in self._waiting.pop(execution_id, ()):
            if not one.done():
                one.set_result(None)

    async def wait(self, execution_id: str, limit_s: float) -> bool:
        """Whether rows of the execution became durable within so many seconds from now."""
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[execution_id].add(told)
        try:
            async with asyncio.timeout(limit_s):
                await told
        except TimeoutError:
            return False
        finally:
            waiting = self._waiting.get(execution_id)
            if waiting is not None:
                waiting.discard(told)
                if not waiting:
                    del self._waiting[execution_id]
        return True
