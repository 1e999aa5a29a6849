"""The store of webhooks, empty, on each backend: a SQLite file per test, and one PostgreSQL database emptied per
test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from worlds.backends import databases_of, fresh_database
from worlds.schema import schema
from worlds.webhook_dispatchers import World

from aragora.config.settings import Settings
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.webhooks.store.deliveries import DeliveryStore
from aragora.webhooks.store.writer import DeliveryWriter

BACKENDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)]
Open = Callable[[], Database]


@pytest.fixture(scope="session")
def webhooks_url(postgres_url: str) -> str:
    """The URL of a PostgreSQL database with the tables of webhooks."""
    return asyncio.run(fresh_database(postgres_url))


@pytest.fixture(params=BACKENDS)
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings of an empty store with its tables; a test that needs one of the two asks by indirect parameter."""
    url = request.getfixturevalue("webhooks_url") if request.param == "postgres" else None
    made = Settings(data_dir=tmp_path, database_url=url)
    asyncio.run(_emptied(made))
    return made


@pytest.fixture
async def opened(settings: Settings) -> AsyncIterator[Open]:
    """Connections to the store, closed after the test."""
    databases: list[Database] = []

    def open_() -> Database:
        databases.append(Database.open(settings, Context.WEBHOOKS))
        return databases[-1]

    yield open_
    for database in databases:
        await database.aclose()


@pytest.fixture
def database(opened: Open) -> Database:
    return opened()


@pytest.fixture
async def writer(database: Database) -> AsyncIterator[DeliveryWriter]:
    writer = DeliveryWriter(database)
    yield writer
    await writer.aclose()


@pytest.fixture
def store(database: Database) -> DeliveryStore:
    return DeliveryStore(database)


@pytest.fixture
async def world(opened: Open, settings: Settings) -> AsyncIterator[World]:
    made = World(opened, settings)
    yield made
    await made.aclose()


async def _emptied(settings: Settings) -> None:
    async with databases_of(settings, Context.WEBHOOKS) as databases:
        if settings.database_url is not None:
            names = ", ".join(schema(Context.WEBHOOKS).tables)
            async with databases[Context.WEBHOOKS].writing() as connection:
                await connection.execute(text(f"TRUNCATE {names}"))
