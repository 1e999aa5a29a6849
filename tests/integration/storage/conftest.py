"""Every suite here runs on both stores: SQLite files in a directory per test, and a database per test in a real
PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr
from worlds.backends import copied_database, drop_database
from worlds.migrated import migrated

from aragora.config.settings import Settings
from aragora.debate.journal import JournalRow
from aragora.debate.model import DebateStatus
from aragora.debate.proposition import Idempotency
from aragora.debate.records import Commit, DebateRecord, DebateUpdate, NewDebate
from aragora.debate.store.journal_writer import JournalWriter
from aragora.scope import DEFAULT_WORKSPACE
from aragora.storage.contexts import Context
from aragora.storage.database import Database

BACKENDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)]


@pytest.fixture(params=BACKENDS)
def empty_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings of a store in which no migration ran yet."""
    return _settings(request, tmp_path)


@pytest.fixture(params=BACKENDS)
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Settings of a migrated, empty store; a test that needs one of the two asks for it by indirect parameter."""
    if request.param == "sqlite":
        yield migrated(Settings(data_dir=tmp_path))
        return
    url = asyncio.run(copied_database(request.getfixturevalue("migrated_url")))
    yield Settings(data_dir=tmp_path, database_url=SecretStr(url))
    asyncio.run(drop_database(url, of=request.getfixturevalue("postgres_url")))


@pytest.fixture
async def opened(settings: Settings) -> AsyncIterator[Callable[[Context], Database]]:
    """Databases by context, closed after the test."""
    databases: list[Database] = []

    def open_(context: Context) -> Database:
        databases.append(Database.open(settings, context))
        return databases[-1]

    yield open_
    for database in databases:
        await database.aclose()


@pytest.fixture
def debates_db(opened: Callable[[Context], Database]) -> Database:
    return opened(Context.DEBATES)


@pytest.fixture
async def writer(debates_db: Database) -> AsyncIterator[JournalWriter]:
    writer = JournalWriter(debates_db)
    yield writer
    await writer.aclose()


class Build:
    """Builders of records with plain contents."""

    @staticmethod
    def rows(debate_id: str, first: int, last: int) -> tuple[JournalRow, ...]:
        return tuple(
            JournalRow(debate_id, seq, "agent_message", f'{{"seq":{seq}}}', 100.0 + seq)
            for seq in range(first, last + 1)
        )

    @staticmethod
    def record(debate_id: str, *, created_at: float = 100.0, org_id: str = "local") -> DebateRecord:
        return DebateRecord(debate_id, "Tabs?", DebateStatus.QUEUED, "{}", created_at, created_at, "ann", org_id)

    @classmethod
    def new_debate(
        cls,
        debate_id: str,
        *,
        key: str | None = None,
        request_hash: str | None = None,
        created_at: float = 100.0,
        org_id: str = "local",
        workspace: str = DEFAULT_WORKSPACE,
    ) -> NewDebate:
        record = replace(cls.record(debate_id, created_at=created_at, org_id=org_id), workspace=workspace)
        idempotency = None if key is None else Idempotency(key, request_hash or "")
        return NewDebate(record, cls.rows(debate_id, 1, 1), idempotency)

    @classmethod
    def commit(cls, debate_id: str, first: int, last: int | None = None, update: DebateUpdate | None = None) -> Commit:
        return Commit(debate_id, cls.rows(debate_id, first, first if last is None else last), update or DebateUpdate())


@pytest.fixture
def build() -> type[Build]:
    return Build


def _settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    if request.param == "sqlite":
        return Settings(data_dir=tmp_path)
    url: str = request.getfixturevalue("postgres_url")
    asyncio.run(_emptied(url))
    return Settings(data_dir=tmp_path, database_url=url)  # type: ignore[arg-type]


async def _emptied(url: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(url)
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await connection.close()
