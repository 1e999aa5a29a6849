"""Where connections and approvals are kept, as the settings say.

Documents with secrets: DATABASE_URL first, then Supabase where it is set, then SQLite. Approval requests:
ARAGORA_APPROVAL_STORE_BACKEND, where `sqlite` means the installation's own database.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sqlalchemy import Table

from aragora.config.settings import Settings
from aragora.errors import Misconfigured
from aragora.storage.approvals import ApprovalRequestStore
from aragora.storage.approvals_redis import RedisApprovals
from aragora.storage.approvals_sql import SqlApprovals
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.document import Documents
from aragora.storage.document_sql import SqlDocuments
from aragora.storage.ephemeral_redis import connect
from aragora.storage.supabase import SupabaseDocuments

DocumentsOf = Callable[[Table], Documents]


def backend_type(settings: Settings) -> str:
    """The backend's name in figures: postgresql, supabase or sqlite."""
    if settings.database_url is not None:
        return "postgresql"
    return "supabase" if settings.supabase_url and settings.supabase_key else "sqlite"


@asynccontextmanager
async def open_documents(settings: Settings) -> AsyncIterator[DocumentsOf]:
    """What makes the documents of a table; closes its connections at the end of the block."""
    key = settings.supabase_key
    if backend_type(settings) == "supabase" and settings.supabase_url and key is not None:
        from aiohttp import ClientSession  # noqa: PLC0415  only processes that use Supabase load it

        async with ClientSession() as session:
            yield lambda table: SupabaseDocuments(
                session, settings.supabase_url or "", key.get_secret_value(), table.name
            )
        return
    database = Database.open(settings, Context.CORE)
    try:
        yield lambda table: SqlDocuments(database, table)
    finally:
        await database.aclose()


@asynccontextmanager
async def open_approvals(settings: Settings) -> AsyncIterator[ApprovalRequestStore]:
    """The store of approval requests; closes its connections at the end of the block.

    Raises Misconfigured where the chosen backend has no address.
    """
    backend = settings.approval_store_backend
    if backend == "redis":
        if settings.redis_url is None:
            raise Misconfigured("ARAGORA_APPROVAL_STORE_BACKEND is redis: set ARAGORA_REDIS_URL too.")
        client = connect(settings.redis_url.get_secret_value())
        try:
            yield RedisApprovals(client)
        finally:
            await client.aclose()
        return
    if backend == "postgres" and settings.database_url is None:
        raise Misconfigured("ARAGORA_APPROVAL_STORE_BACKEND is postgres: set DATABASE_URL too.")
    database = Database.open(settings, Context.CORE)
    try:
        yield SqlApprovals(database)
    finally:
        await database.aclose()
