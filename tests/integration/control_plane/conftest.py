"""The store of tasks, empty, on each backend: a SQLite file per test, and one PostgreSQL database emptied per test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from worlds.backends import SetClock, databases_of, fresh_database
from worlds.schema import schema

from aragora.config.settings import Settings
from aragora.control_plane.store.tasks import TaskStore
from aragora.control_plane.store.writer import TaskWriter
from aragora.control_plane.tasking import Tasks
from aragora.storage.contexts import Context
from aragora.storage.database import Database

BACKENDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)]


@pytest.fixture(scope="session")
def tasks_url(postgres_url: str) -> str:
    """The URL of a PostgreSQL database for the tables of tasks."""
    return asyncio.run(fresh_database(postgres_url))


@pytest.fixture(params=BACKENDS)
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    url = request.getfixturevalue("tasks_url") if request.param == "postgres" else None
    return Settings(data_dir=tmp_path, database_url=url)


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
