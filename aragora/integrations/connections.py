"""Where connections and approvals are kept, as the settings say.

Documents with secrets: DATABASE_URL first, then Supabase where it is set, then SQLite. Approval requests:
ARAGORA_APPROVAL_STORE_BACKEND, where `sqlite` means the installation's own database.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sqlalchemy import Table

from aragora.config.settings import Settings
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.document import Documents
from aragora.storage.document_sql import SqlDocuments
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
