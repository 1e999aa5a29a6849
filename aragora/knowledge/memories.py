"""What is remembered of items, as somebody reads them or a debate is offered them: the continuum adapter's way out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, Protocol

from aragora.clock import Clock
from aragora.knowledge.bounded import readable
from aragora.knowledge.model import Home, Item
from aragora.knowledge.mound.adapters.continuum import NAME, READ, Memory, by_item, read
from aragora.knowledge.observations import Observation

ITEMS_MAX: Final = 100
"""Items that are looked up at a time: one query takes their ids."""


class Noted(Protocol):
    """Reads what adapters noted (`aragora.knowledge.store.observations.Observations`)."""

    async def newest_of(self, home: Home, adapter: str, keys: Collection[str], limit: int) -> list[Observation]: ...


class Memories:
    """Over what was noted. Every method raises Unavailable where the store is away."""

    def __init__(self, noted: Noted, clock: Clock) -> None:
        self._noted = noted
        self._clock = clock

    async def of(self, home: Home, items: Sequence[Item]) -> dict[str, Memory]:
        """The memory of each of up to `ITEMS_MAX` items that debates of this workspace have cited."""
        keys = [item.item_id for item in items[:ITEMS_MAX]]
        seen = await self._noted.newest_of(home, NAME, keys, READ) if keys else []
        return by_item(items, readable(seen, lambda one: (one.key, read(one))), self._clock.now())
