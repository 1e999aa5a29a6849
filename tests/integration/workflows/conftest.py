"""The store of workflows, empty, on each backend: a SQLite file a test, one PostgreSQL database emptied for each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import text
from worlds.backends import SetClock, copied_database, databases_of
from worlds.migrated import migrated
from worlds.schema import schema
from worlds.workflow_server import WorkflowSite, workflow_site

from aragora.config.settings import Settings
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.workflows.store.definitions import DefinitionStore

BACKENDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)]


@pytest.fixture(scope="session")
def workflows_url(migrated_url: str) -> str:
    """The URL of a migrated PostgreSQL database."""
    return asyncio.run(copied_database(migrated_url))


@pytest.fixture(params=BACKENDS)
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    if request.param == "sqlite":
        return migrated(Settings(data_dir=tmp_path))
    return Settings(data_dir=tmp_path, database_url=request.getfixturevalue("workflows_url"))


@pytest.fixture
async def database(stored: Settings) -> AsyncIterator[Database]:
    async with databases_of(stored, Context.WORKFLOWS) as databases:
        database = databases[Context.WORKFLOWS]
        if not database.is_sqlite:
            async with database.writing() as connection:
                await connection.execute(text(f"TRUNCATE {', '.join(schema(Context.WORKFLOWS).tables)}"))
        yield database


@pytest.fixture
def definitions(database: Database, clock: SetClock) -> DefinitionStore:
    return DefinitionStore(database, clock)


@pytest.fixture
async def site(stored: Settings, database: Database, clock: SetClock) -> AsyncIterator[WorkflowSite]:
    """The routes, over the store after `database` emptied it."""
    async with workflow_site(stored, clock) as opened:
        yield opened


@pytest.fixture
async def client(site: WorkflowSite) -> AsyncIterator[httpx2.AsyncClient]:
    """Ann, an owner of acme."""
    async with site.client("ann") as client:
        yield client
