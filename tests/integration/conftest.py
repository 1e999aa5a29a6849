"""Real backends, one of each for the whole run: PostgreSQL, Redis, and a stand-in for Supabase's REST interface."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from worlds.backends import (
    RedisProcess,
    SetClock,
    memory_documents,
    postgres_settings,
    sql_documents,
    supabase_documents,
)
from worlds.migrated import migrated_database
from worlds.postgres_process import fresh_postgres
from worlds.waiting import WAIT_S

from aragora.config.settings import Settings
from aragora.storage.collection import DocumentsOf

DOCUMENT_BACKENDS = ["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.slow), "supabase"]


@pytest.fixture(autouse=True)
def patience_with_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a Redis that is there may not answer within a second. One that was stopped refuses at once."""
    monkeypatch.setattr("aragora.storage.ephemeral_redis.TIMEOUT_S", WAIT_S)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a fresh PostgreSQL."""
    with fresh_postgres() as server:
        yield server.get_uri()


@pytest.fixture(scope="session")
def migrated_url(postgres_url: str) -> str:
    """The URL of a database in it with empty stores, to be copied."""
    return migrated_database(postgres_url)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a fresh Redis."""
    with RedisProcess(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


@pytest.fixture
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    """A Redis that the test may stop and start again."""
    with RedisProcess(tmp_path_factory.mktemp("own-redis")) as server:
        yield server


@pytest.fixture(params=DOCUMENT_BACKENDS)
async def documents(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[DocumentsOf]:
    """What makes the documents of a table, on each backend."""
    match request.param:
        case "memory":
            opening = memory_documents()
        case "sqlite":
            opening = sql_documents(Settings(data_dir=tmp_path))
        case "postgresql":
            opening = sql_documents(await postgres_settings(request.getfixturevalue("postgres_url"), tmp_path))
        case _:
            opening = supabase_documents()
    async with opening as of:
        yield of
