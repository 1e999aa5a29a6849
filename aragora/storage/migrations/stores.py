"""The stores that hold encrypted records, as the migration walks them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from sqlalchemy import RowMapping, Table, func, select, update

from aragora.config.settings import Settings
from aragora.storage.connections import open_documents
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.document import PAGE, DocumentRow, Documents
from aragora.storage.gmail_token_store import GMAIL_TOKEN_STORE
from aragora.storage.integration_store import INTEGRATION_STORE
from aragora.storage.migrations.reencryption import Rewritable
from aragora.storage.sync_store import SYNC_STORE
from aragora.storage.tables_identity import gmail_tokens, integrations, sync_connectors, users

MFA_STORE = "mfa"
TABLES: dict[str, Table] = {
    SYNC_STORE: sync_connectors,
    INTEGRATION_STORE: integrations,
    GMAIL_TOKEN_STORE: gmail_tokens,
}
STORES = (*TABLES, MFA_STORE)


class VersionedRecords:
    """Documents, swapped by version."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def get(self, record_id: str) -> DocumentRow | None:
        return await self._documents.get(record_id)

    async def page(self, after: str, limit: int = PAGE) -> list[DocumentRow]:
        return await self._documents.page(after, limit)

    async def replace(self, row: DocumentRow, payload: str, now: float) -> bool:
        return await self._documents.swap(row.record_id, row.version, payload, now)

    async def count(self) -> int:
        return await self._documents.count()


class MfaRecords:
    """The TOTP secrets of users, swapped by their text: a fresh nonce makes every ciphertext unique."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, record_id: str) -> DocumentRow | None:
        query = select(users).where(users.c.user_id == record_id, users.c.mfa_secret.is_not(None))
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).mappings().first()
        return None if row is None else _mfa_row(row)

    async def page(self, after: str, limit: int = PAGE) -> list[DocumentRow]:
        query = select(users).where(users.c.user_id > after, users.c.mfa_secret.is_not(None))
        async with self._database.reading() as connection:
            found = await connection.execute(query.order_by(users.c.user_id).limit(limit))
            return [_mfa_row(row) for row in found.mappings()]

    async def replace(self, row: DocumentRow, payload: str, now: float) -> bool:
        change = update(users).where(users.c.user_id == row.record_id, users.c.mfa_secret == row.payload)
        async with self._database.writing() as connection:
            return bool((await connection.execute(change.values(mfa_secret=payload, updated_at=now))).rowcount == 1)

    async def count(self) -> int:
        query = select(func.count()).select_from(users).where(users.c.mfa_secret.is_not(None))
        async with self._database.reading() as connection:
            return int((await connection.execute(query)).scalar_one())


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


def _mfa_row(row: RowMapping) -> DocumentRow:
    return DocumentRow(
        record_id=row["user_id"],
        org_id=row["org_id"],
        owner=row["user_id"],
        kind="totp",
        payload=row["mfa_secret"],
        version=0,
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
