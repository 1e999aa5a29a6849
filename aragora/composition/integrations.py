"""The feature `integrations`: its store opens with first use, its figures are kept fresh for the metrics page."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Final

from aragora.background import Every
from aragora.clock import Clock
from aragora.composition.encrypted_stores import marks
from aragora.config.settings import Settings
from aragora.identity.parts import IdentityParts
from aragora.integrations.store_metrics import InstrumentedIntegrationStore, register
from aragora.integrations.stores import INTEGRATIONS, IntegrationStore
from aragora.secrets.encryption import EncryptionService
from aragora.server.chapters.integrations import IntegrationPorts, integration
from aragora.server.feature import Feature
from aragora.storage.collection import backend_type, open_documents

RECOUNT_S: Final = 15.0
"""How old the number of integrations in the metrics may be: other replicas change it too."""


def open_integrations(settings: Settings, parts: IdentityParts, clock: Clock) -> Feature[IntegrationPorts]:
    """Integrations as the settings say, sealed with the key and audited in the log of identity."""
    access = IntegrationAccess(settings, parts.crypto, clock)
    return Feature(
        "integrations",
        IntegrationPorts(access.store, parts),
        chapters=(integration,),
        tasks=(access.task.run,),
        closers=(access.aclose,),
    )


class IntegrationAccess:
    """Gives the one instrumented store of this process. `task` keeps its figures fresh."""

    def __init__(self, settings: Settings, crypto: EncryptionService, clock: Clock) -> None:
        self._settings = settings
        self._crypto = crypto
        self._clock = clock
        self._opening = asyncio.Lock()
        self._open = AsyncExitStack()
        self._store: InstrumentedIntegrationStore | None = None
        self.task = Every("integration count", RECOUNT_S, self._count)

    async def store(self) -> InstrumentedIntegrationStore:
        """The store; connects with its first operation."""
        async with self._opening:
            if self._store is None:
                await self._learn()
                documents = await self._open.enter_async_context(open_documents(self._settings))
                base = IntegrationStore(documents(INTEGRATIONS.table), self._crypto, self._clock)
                self._store = InstrumentedIntegrationStore(base, backend_type(self._settings))
                register(self._store)
            return self._store

    async def aclose(self) -> None:
        """Close the connections."""
        self._store = None
        await self._open.aclose()

    async def _count(self) -> None:
        store = await self.store()
        await self._learn()
        await store.health_check()

    async def _learn(self) -> None:
        """Which stores were encrypted whole, also since this replica started."""
        async with marks(self._settings, self._clock) as noted:
            self._crypto.refuse_plaintext_in(await noted.all())
