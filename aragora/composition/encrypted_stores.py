"""The stores that hold encrypted records, as a rotation of keys walks them: each collection with secrets belongs
here. And which of them were encrypted whole (`aragora.storage.encryption_marks`)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from sqlalchemy import Table

from aragora.clock import Clock
from aragora.config.settings import Settings
from aragora.identity.store.users import MFA_STORE, MfaRecords
from aragora.integrations.stores import CONNECTORS, GMAIL_TOKENS, INTEGRATIONS
from aragora.storage.collection import open_documents
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.encryption_marks import EncryptionMarks
from aragora.storage.reencryption import Rewritable
from aragora.webhooks.store.direct_secrets import DELIVERY_STORE, DirectRecords
from aragora.webhooks.store.endpoints import ENDPOINT_STORE, EndpointRecords

TABLES: Final[dict[str, Table]] = {schema.name: schema.table for schema in (CONNECTORS, INTEGRATIONS, GMAIL_TOKENS)}
# Those whose secrets rest beside other columns, and where.
RECORDS: Final[dict[str, tuple[Context, Callable[[Database], Rewritable]]]] = {
    MFA_STORE: (Context.USERS, MfaRecords),
    ENDPOINT_STORE: (Context.WEBHOOKS, EndpointRecords),
    DELIVERY_STORE: (Context.WEBHOOKS, DirectRecords),
}
STORES: Final = (*TABLES, *RECORDS)


@asynccontextmanager
async def opened(settings: Settings, names: tuple[str, ...]) -> AsyncIterator[dict[str, Rewritable]]:
    """The named stores of the installation, closed at the end of the block."""
    async with AsyncExitStack() as stack:
        found: dict[str, Rewritable] = {}
        documents = await stack.enter_async_context(open_documents(settings))
        for name in names:
            if name in RECORDS:
                context, records = RECORDS[name]
                database = Database.open(settings, context)
                stack.push_async_callback(database.aclose)
                found[name] = records(database)
            else:
                found[name] = documents(TABLES[name])
        yield found


@asynccontextmanager
async def marks(settings: Settings, clock: Clock) -> AsyncIterator[EncryptionMarks]:
    """Which stores of the installation were encrypted whole."""
    database = Database.open(settings, Context.CORE)
    try:
        yield EncryptionMarks(database, clock)
    finally:
        await database.aclose()


async def mark_empty_stores(settings: Settings, clock: Clock) -> frozenset[str]:
    """Mark each store that has no record yet: what is written from now on is encrypted.

    Returns the names of all stores that are marked then. Raises Unavailable where a store is away.
    """
    async with marks(settings, clock) as noted:
        whole = await noted.all()
        async with opened(settings, tuple(name for name in STORES if name not in whole)) as stores:
            for name, records in stores.items():
                if await records.count() == 0:
                    await noted.add(name)
        return await noted.all()
