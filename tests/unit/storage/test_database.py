"""Where a context is kept, how its connections are set, and that no password shows."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import literal, select
from worlds.waiting import WAIT_S

from aragora.agents.breaker_store import breakers
from aragora.config.settings import Settings
from aragora.errors import Unavailable
from aragora.storage.contexts import Context, Location
from aragora.storage.database import Database
from aragora.storage.tables import METADATA

URLS = [
    "postgresql://ann:hunter2@db:5432/aragora",
    "postgres://ann:hunter2@db:5432/aragora",
    "postgresql+asyncpg://ann:hunter2@db:5432/aragora",
]


@pytest.mark.parametrize("context", list(Context))
def test_without_a_url_each_context_is_a_file_of_its_own(tmp_path: Path, context: Context) -> None:
    database = Database.open(Settings(data_dir=tmp_path), context)
    assert database.location.path == tmp_path / f"{context}.db"
    assert database.is_sqlite


@pytest.mark.parametrize("url", URLS)
def test_every_spelling_of_a_postgresql_url_is_understood(url: str) -> None:
    database = Database.open(Settings(database_url=SecretStr(url)), Context.CORE)
    assert not database.is_sqlite
    assert database.location.dsn == "postgresql://ann:hunter2@db:5432/aragora"


def test_the_password_of_a_database_never_shows() -> None:
    database = Database.open(Settings(database_url=SecretStr(URLS[0])), Context.CORE)
    assert "hunter2" not in repr(database.location) + repr(database) + str(vars(database))


def test_an_unknown_context_is_refused() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        Context("nonsense")


async def _pragma(database: Database, name: str) -> object:
    async with database.reading() as connection:
        return (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar()


async def test_sqlite_connections_are_durable_and_wait_for_locks(tmp_path: Path) -> None:
    database = Database(Location(Context.CORE, tmp_path / "core.db", timeout_s=7.0))
    assert await _pragma(database, "journal_mode") == "wal"
    assert await _pragma(database, "synchronous") == 2  # FULL
    assert await _pragma(database, "foreign_keys") == 1
    assert await _pragma(database, "busy_timeout") == 7000
    await database.aclose()


async def test_an_exception_rolls_back_what_was_written(tmp_path: Path) -> None:
    database = Database(Location(Context.CORE, tmp_path / "core.db"))
    async with database.writing() as connection:
        await connection.exec_driver_sql("CREATE TABLE t (x)")

    async def write_and_fail() -> None:
        async with database.writing() as connection:
            await connection.exec_driver_sql("INSERT INTO t VALUES (1)")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await write_and_fail()
    async with database.reading() as connection:
        assert (await connection.exec_driver_sql("SELECT count(*) FROM t")).scalar() == 0
    await database.aclose()


async def test_a_lock_held_for_too_long_is_unavailable(tmp_path: Path) -> None:
    patient, hasty = (
        Database(Location(Context.CORE, tmp_path / "core.db", timeout_s=timeout_s)) for timeout_s in (5.0, 0.1)
    )
    async with patient.writing() as connection:
        await connection.exec_driver_sql("CREATE TABLE t (x)")
        with pytest.raises(Unavailable, match="locked"):
            async with hasty.writing():
                pytest.fail("two writers at once")
    await patient.aclose()
    await hasty.aclose()


async def test_writers_of_a_process_take_turns_and_who_waits_too_long_is_told_that_it_is_locked(tmp_path: Path) -> None:
    database = Database(Location(Context.CORE, tmp_path / "core.db", timeout_s=0.2))
    order: list[int] = []

    async def write(number: int) -> None:
        async with database.writing() as connection:
            await connection.exec_driver_sql("INSERT INTO t VALUES (1)")
            order.append(number)

    async with database.writing() as connection:
        await connection.exec_driver_sql("CREATE TABLE t (x)")
        with pytest.raises(Unavailable, match="locked"):
            await write(0)
    await asyncio.gather(*map(write, range(1, 6)))
    assert order == [1, 2, 3, 4, 5]
    await database.aclose()


async def test_readers_do_not_wait_for_a_writer(tmp_path: Path) -> None:
    database = Database(Location(Context.CORE, tmp_path / "core.db"))
    async with database.writing() as connection:
        await connection.exec_driver_sql("CREATE TABLE t (x)")
    async with database.writing() as connection:
        await connection.exec_driver_sql("INSERT INTO t VALUES (1)")
        async with asyncio.timeout(WAIT_S), database.reading() as reader:
            assert (await reader.exec_driver_sql("SELECT count(*) FROM t")).scalar() == 0
    await database.aclose()


async def test_a_closed_database_connects_anew_when_it_is_used(tmp_path: Path) -> None:
    database = Database(Location(Context.CORE, tmp_path / "core.db"))
    await _pragma(database, "synchronous")
    await database.aclose()
    assert await _pragma(database, "synchronous") == 2
    await database.aclose()


def test_opening_a_database_loads_no_sqlalchemy() -> None:
    code = (
        "import sys; from aragora.config.settings import Settings; from aragora.storage.contexts import Context; from aragora.storage.database import Database; "
        "from aragora.debate.store.journal_writer import JournalWriter; JournalWriter(Database.open(Settings(), Context.DEBATES)); "
        "sys.exit('sqlalchemy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_rows_are_those_of_the_newest_commit_and_come_again_after_closing(tmp_path: Path) -> None:
    database = Database(Location(Context.CORE, tmp_path / "core.db"))
    async with database.writing() as connection:
        await connection.run_sync(METADATA[Context.CORE].create_all)
    query = select(breakers.c.agent).order_by(breakers.c.agent)
    for agent in ("ann", "bob"):
        async with database.writing() as connection:
            await connection.execute(
                breakers.insert().values(agent=agent, state="open", consecutive_failures=5, updated_at=1.0)
            )
        assert [row.agent for row in await database.rows(query)][-1] == agent
        await database.aclose()


async def test_many_readers_at_once_all_get_their_rows(tmp_path: Path) -> None:
    database = Database(Location(Context.CORE, tmp_path / "core.db"))
    found = await asyncio.gather(*(database.rows(select(literal(number))) for number in range(100)))
    assert [rows[0][0] for rows in found] == list(range(100))
    await database.aclose()


async def test_reading_a_table_that_is_missing_is_unavailable(tmp_path: Path) -> None:
    database = Database(Location(Context.CORE, tmp_path / "core.db"))
    with pytest.raises(Unavailable, match=r"aragora\.migrations\.apply"):
        await database.rows(select(breakers.c.agent))
    await database.aclose()
