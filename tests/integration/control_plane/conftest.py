"""The store of tasks, empty, on each backend: a SQLite file per test, and one PostgreSQL database emptied per test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import text
from worlds.backends import SetClock, copied_database, databases_of
from worlds.control_server import ControlSite, control_site
from worlds.migrated import migrated
from worlds.schema import schema

from aragora.config.settings import Settings
from aragora.control_plane.store.tasks import TaskStore
from aragora.control_plane.store.writer import TaskWriter
from aragora.control_plane.tasking import Tasks
from aragora.storage.contexts import Context
from aragora.storage.database import Database

BACKENDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)]


@pytest.fixture(scope="session")
def tasks_url(migrated_url: str) -> str:
    """The URL of a migrated PostgreSQL database."""
    return asyncio.run(copied_database(migrated_url))


@pytest.fixture(params=BACKENDS)
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    if request.param == "sqlite":
        return migrated(Settings(data_dir=tmp_path))
    return Settings(data_dir=tmp_path, database_url=request.getfixturevalue("tasks_url"))


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    async with databases_of(settings, Context.DEBATES) as databases:
        database = databases[Context.DEBATES]
        if not database.is_sqlite:
            async with database.writing() as connection:
                await connection.execute(text(f"TRUNCATE {', '.join(schema(Context.DEBATES).tables)}"))
        yield database


@pytest.fixture
async def writer(database: Database) -> AsyncIterator[TaskWriter]:
    writer = TaskWriter(database, told=True)
    yield writer
    await writer.aclose()


@pytest.fixture
def tasks(writer: TaskWriter, clock: SetClock) -> Tasks:
    return Tasks(writer, clock)


@pytest.fixture
def store(database: Database) -> TaskStore:
    return TaskStore(database)


@pytest.fixture
async def site(settings: Settings, database: Database, clock: SetClock) -> AsyncIterator[ControlSite]:
    """The routes, over the store after `database` emptied it."""
    async with control_site(settings, clock) as opened:
        yield opened


@pytest.fixture
async def client(site: ControlSite) -> AsyncIterator[httpx2.AsyncClient]:
    """Ann, an owner of acme."""
    async with site.client("ann") as client:
        yield client
