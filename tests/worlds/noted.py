"""What adapters noted, by script."""

from __future__ import annotations

import asyncio

from aragora.knowledge.model import Home
from aragora.knowledge.observations import Observation


class Noted:
    """These are there; `asked` is what was looked for, and nothing is answered while `free` is cleared."""

    def __init__(self, *there: Observation) -> None:
        self.there = list(there)
        self.asked: list[tuple[Home, str, str, int]] = []
        self.free = asyncio.Event()
        self.free.set()

    async def newest(self, home: Home, adapter: str, key: str, limit: int) -> list[Observation]:
        self.asked.append((home, adapter, key, limit))
        await self.free.wait()
        return self.there
