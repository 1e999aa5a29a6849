"""The stores that hold encrypted records, as a rotation of keys walks them: each collection with secrets belongs
here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from sqlalchemy import Table

from aragora.config.settings import Settings
from aragora.identity.store.users import MFA_STORE, MfaRecords
from aragora.integrations.stores import CONNECTORS, GMAIL_TOKENS, INTEGRATIONS
from aragora.storage.collection import open_documents
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.reencryption import Rewritable

TABLES: Final[dict[str, Table]] = {schema.name: schema.table for schema in (CONNECTORS, INTEGRATIONS, GMAIL_TOKENS)}
STORES: Final = (*TABLES, MFA_STORE)


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
                found[name] = documents(TABLES[name])
        yield found
