"""The store of executions, empty, on each backend: a SQLite file per test, and a copy of a migrated PostgreSQL
database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from worlds.backends import copied_database, drop_database
from worlds.migrated import migrated

from aragora.config.settings import Settings
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.workflows.store.executions import ExecutionStore
from aragora.workflows.store.owner import WorkflowOwner
from aragora.workflows.store.writer import WorkflowWriter

BACKENDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)]


@pytest.fixture(params=BACKENDS)
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    if request.param == "sqlite":
        yield migrated(Settings(data_dir=tmp_path))
        return
    url = asyncio.run(copied_database(request.getfixturevalue("migrated_url")))
    yield Settings(data_dir=tmp_path, database_url=SecretStr(url))
    asyncio.run(drop_database(url, of=request.getfixturevalue("postgres_url")))


@pytest.fixture
async def opened(settings: Settings) -> AsyncIterator[Callable[[], Database]]:
    """Opens the context, as each process does for itself; closed after the test."""
    databases: list[Database] = []

    def open_() -> Database:
        databases.append(Database.open(settings, Context.WORKFLOWS))
        return databases[-1]

    yield open_
    for database in databases:
        await database.aclose()


@pytest.fixture
def database(opened: Callable[[], Database]) -> Database:
    return opened()


@pytest.fixture
def owner(database: Database) -> WorkflowOwner:
    return WorkflowOwner(database)


@pytest.fixture
async def writing(database: Database) -> AsyncIterator[Callable[..., WorkflowWriter]]:
    """Makes writers; closed after the test."""
    writers: list[WorkflowWriter] = []

    def writing_(of: Database = database, tenure: int | None = None) -> WorkflowWriter:
        writers.append(WorkflowWriter(of, tenure=tenure))
        return writers[-1]

    yield writing_
    for writer in writers:
        await writer.aclose()


@pytest.fixture
async def writer(writing: Callable[..., WorkflowWriter], owner: WorkflowOwner) -> WorkflowWriter:
    """The owner's."""
    return writing(tenure=await owner.advance())


@pytest.fixture
def store(database: Database) -> ExecutionStore:
    return ExecutionStore(database)
