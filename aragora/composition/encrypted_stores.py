"""The stores that hold encrypted records, as the migration walks them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from sqlalchemy import Table

from aragora.config.settings import Settings
from aragora.identity.store.users import MFA_STORE, MfaRecords
from aragora.integrations.connections import open_documents
from aragora.integrations.gmail_tokens import GMAIL_TOKEN_STORE
from aragora.integrations.store import INTEGRATION_STORE
from aragora.integrations.sync_store import SYNC_STORE
from aragora.integrations.tables import gmail_tokens, integrations, sync_connectors
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.reencryption import Rewritable, VersionedRecords

TABLES: dict[str, Table] = {
    SYNC_STORE: sync_connectors,
    INTEGRATION_STORE: integrations,
    GMAIL_TOKEN_STORE: gmail_tokens,
}
STORES = (*TABLES, MFA_STORE)


@asynccontextmanager
async def opened(settings: Settings, names: tuple[str, ...]) -> AsyncIterator[dict[str, Rewritable]]:
    """The named stores of the installation, closed at the end of the block."""
    async with AsyncExitStack() as stack:
        found: dict[str, Rewritable] = {}
        documents = await stack.enter_async_context(open_documents(settings))
        for name in names:
            if name == MFA_STORE:
                database = Database.open(settings, Context.USERS)
                stack.push_async_callback(database.aclose)
                found[name] = MfaRecords(database)
            else:
                found[name] = VersionedRecords(documents(TABLES[name]))
        yield found
