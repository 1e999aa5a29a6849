"""What is remembered of items, as somebody reads them or a debate is offered them: the continuum adapter's way out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final, Protocol

import structlog

from aragora.clock import Clock
from aragora.knowledge.model import Home, Item
from aragora.knowledge.mound.adapters.continuum import NAME, READ, Memory, Used, by_item, read
from aragora.knowledge.observations import Observation

ITEMS_MAX: Final = 100
"""Items that are looked up at a time: one query takes their ids."""

log = structlog.get_logger("aragora.knowledge")


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
        return by_item(items, _read(seen), self._clock.now())


def _read(seen: Sequence[Observation]) -> Iterator[tuple[str, Used]]:
    for one in seen:
        try:
            yield one.key, read(one)
        except ValueError as damaged:
            log.warning("a use of an item cannot be read", debate_id=one.debate_id, error=str(damaged))
