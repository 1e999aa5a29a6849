"""Looks at what adapters noted, and at the items that it names: bounded in time, and whatever a damaged note says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol, TypeVar

import structlog

from aragora.errors import Unavailable
from aragora.knowledge.counting import timed_look
from aragora.knowledge.model import Home, Item
from aragora.knowledge.observations import Observation
from aragora.scope import Scope

LIMIT_S: Final = 1.0
"""Of a look, in seconds, by somebody who waits for it."""

T = TypeVar("T")

log = structlog.get_logger("aragora.knowledge")


class Noted(Protocol):
    """Reads what adapters noted (`aragora.knowledge.store.observations.Observations`)."""

    async def newest(self, home: Home, adapter: str, key: str, limit: int) -> list[Observation]: ...


class Items(Protocol):
    """Reads items (`aragora.knowledge.store.reading.KnowledgeReader`)."""

    async def some(self, scope: Scope, item_ids: Sequence[str]) -> list[Item]: ...


@asynccontextmanager
async def bounded_look(limit_s: float, what: str) -> AsyncIterator[None]:
    """A block that looks into the mound, measured. Raises Unavailable where it takes longer than `limit_s` seconds;
    `what` says in its words what is not read then."""
    with timed_look():
        try:
            async with asyncio.timeout(limit_s):
                yield
        except TimeoutError:
            raise Unavailable(f"{what} is not read in time: ask again", retry_after_s=1.0) from None


def readable(noted: Iterable[Observation], read: Callable[[Observation], T]) -> list[T]:
    """What these notes say, by their adapter's `read`; the damaged ones are left out, and the log tells of them."""
    found: list[T] = []
    for one in noted:
        try:
            found.append(read(one))
        except ValueError as damaged:
            log.warning("a note cannot be read", debate_id=one.debate_id, error=str(damaged))
    return found
