"""The router over an empty store, on each backend: SQLite files per test, and one PostgreSQL database emptied per
test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from worlds.backends import copied_database, databases_of
from worlds.decisions import DecisionSite, decision_site
from worlds.migrated import migrated
from worlds.schema import schema

from aragora.config.settings import Settings
from aragora.decisions.store.entries import Entries
from aragora.storage.contexts import Context

BACKENDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)]
EMPTIED = (Context.DEBATES, Context.MEMORY, Context.CORE)


@pytest.fixture(scope="session")
def decisions_url(migrated_url: str) -> str:
    """The URL of a migrated PostgreSQL database."""
    return asyncio.run(copied_database(migrated_url))


@pytest.fixture(params=BACKENDS)
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    if request.param == "sqlite":
        return migrated(Settings(data_dir=tmp_path))
    return Settings(data_dir=tmp_path, database_url=request.getfixturevalue("decisions_url"))


@pytest.fixture(autouse=True)
async def emptied(settings: Settings) -> None:
    """PostgreSQL as it is after its migrations; SQLite files are new for each test."""
    if settings.database_url is None:
        return
    async with databases_of(settings, *EMPTIED) as databases:
        for context in EMPTIED:
            async with databases[context].writing() as connection:
                await connection.execute(text(f"TRUNCATE {', '.join(schema(context).tables)}"))
        async with databases[Context.DEBATES].writing() as connection:
            first = text("INSERT INTO receipt_chain (chain, position, hash) VALUES (1, 0, :first)")
            await connection.execute(first, {"first": "0" * 64})


@pytest.fixture
async def site(settings: Settings) -> AsyncIterator[DecisionSite]:
    async with decision_site(settings) as opened:
        yield opened


@pytest.fixture
def entries(site: DecisionSite) -> Entries:
    return site.ports[0].deciding.router.entries
