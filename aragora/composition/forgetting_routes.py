"""The feature `forgetting`: its routes over the one forgetter of a process."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from aragora.clock import Clock
from aragora.composition.forgetting import opened_forgetter
from aragora.config.settings import Settings
from aragora.knowledge.forgetter import Forgetter
from aragora.knowledge.store.insights import InsightStore
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.server.chapters.forgetting import ForgettingPorts, forgetting
from aragora.server.feature import Feature
from aragora.server.ports import AuditTrail
from aragora.storage.contexts import Context
from aragora.storage.database import Database


def open_forgetting(settings: Settings, audit: AuditTrail, clock: Clock) -> Feature[ForgettingPorts]:
    """Forgetting in the stores of the settings, audited in `audit`. The stores connect with their first use."""
    access = ForgettingAccess(settings, clock)
    memory = Database.open(settings, Context.MEMORY)
    insights = InsightStore(memory, KnowledgeWriter(memory, clock))
    return Feature(
        "forgetting",
        ForgettingPorts(access.forgetter, KnowledgeReader(memory), insights, audit),
        chapters=(forgetting,),
        closers=(memory.aclose, access.aclose),
    )


class ForgettingAccess:
    """Gives the one forgetter of this process."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._opening = asyncio.Lock()
        self._open = AsyncExitStack()
        self._forgetter: Forgetter | None = None

    async def forgetter(self) -> Forgetter:
        """The forgetter, once the store has forgotten what certificates name. Raises Unavailable."""
        async with self._opening:
            if self._forgetter is None:
                forgetter = await self._open.enter_async_context(opened_forgetter(self._settings, self._clock))
                await forgetter.reapply()
                self._forgetter = forgetter
            return self._forgetter

    async def aclose(self) -> None:
        """Write what was submitted, and close the connections."""
        self._forgetter = None
        await self._open.aclose()
