"""The store of the Knowledge Mound, empty, on each backend: a SQLite file per test, and one PostgreSQL database emptied
per test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import delete, text
from worlds.backends import SetClock, copied_database
from worlds.migrated import migrated
from worlds.schema import schema

from aragora.config.settings import Settings
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.tables import outbox

BACKENDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)]


@pytest.fixture(scope="session")
def knowledge_url(migrated_url: str) -> str:
    """The URL of a migrated PostgreSQL database."""
    return asyncio.run(copied_database(migrated_url))


@pytest.fixture(params=BACKENDS)
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings of an empty store with its tables; a test that needs one of the two asks by indirect parameter."""
    if request.param == "sqlite":
        return migrated(Settings(data_dir=tmp_path))
    made = Settings(data_dir=tmp_path, database_url=request.getfixturevalue("knowledge_url"))
    asyncio.run(_emptied(made))
    return made


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    opened = Database.open(settings, Context.MEMORY)
    yield opened
    await opened.aclose()


@pytest.fixture
async def journals_database(settings: Settings) -> AsyncIterator[Database]:
    """The store of debates beside it, with its tables: adapters read its outbox, which is empty."""
    opened = Database.open(settings, Context.DEBATES)
    async with opened.writing() as connection:
        await connection.run_sync(schema(Context.DEBATES).create_all)
        await connection.execute(delete(outbox))
    yield opened
    await opened.aclose()


@pytest.fixture
def writer(database: Database, clock: SetClock) -> KnowledgeWriter:
    return KnowledgeWriter(database, clock)


@pytest.fixture
def reader(database: Database) -> KnowledgeReader:
    return KnowledgeReader(database)


async def _emptied(settings: Settings) -> None:
    database = Database.open(settings, Context.MEMORY)
    names = ", ".join((*schema(Context.MEMORY).tables, "knowledge_tokens"))
    async with database.writing() as connection:
        await connection.execute(text(f"TRUNCATE {names}"))
    await database.aclose()
