"""One suite for the port of ephemeral state, over memory, SQLite, PostgreSQL, Redis and the fallback from Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import insert, select
from worlds.backends import SetClock, databases_of, emptied_redis, postgres_settings
from worlds.memory_stores import MemoryEphemeral

from aragora.config.settings import Settings
from aragora.storage.contexts import Context
from aragora.storage.ephemeral import Ephemeral, SqlEphemeral, sweeping
from aragora.storage.ephemeral_redis import CONNECTIONS_MAX, FallbackEphemeral, RedisEphemeral, connect
from aragora.storage.tables import ephemeral

BACKENDS = [
    "memory",
    "sqlite",
    "fallen back",
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("postgresql", "redis", "fallback")),
]
SHORT_S = 0.1


@dataclass(frozen=True)
class Shared:
    """A store, and how time passes for it."""

    store: Ephemeral
    pass_time: Callable[[float], Awaitable[None]]


@pytest.fixture(params=BACKENDS)
async def shared(request: pytest.FixtureRequest, tmp_path: Path, clock: SetClock) -> AsyncIterator[Shared]:
    async def moved(seconds: float) -> None:
        clock.at += seconds

    settings = Settings(data_dir=tmp_path)
    match request.param:
        case "memory":
            yield Shared(MemoryEphemeral(clock), moved)
        case "fallen back":
            client = connect("redis://127.0.0.1:9/0")  # nothing listens there
            yield Shared(FallbackEphemeral(RedisEphemeral(client), MemoryEphemeral(clock), clock), moved)
            await client.aclose()
        case "redis" | "fallback":
            async with emptied_redis(request.getfixturevalue("redis_server")) as client:
                store: Ephemeral = RedisEphemeral(client)
                if request.param == "fallback":
                    store = FallbackEphemeral(store, MemoryEphemeral(clock), clock)
                yield Shared(store, asyncio.sleep)
        case _:
            if request.param == "postgresql":
                settings = await postgres_settings(request.getfixturevalue("postgres_url"), tmp_path)
            async with databases_of(settings, Context.USERS) as databases:
                yield Shared(SqlEphemeral(databases[Context.USERS], clock), moved)


async def test_shared_state_is_taken_once_and_added_once(shared: Shared) -> None:
    store = shared.store
    await store.put("a", "1", 60.0)
    await store.put("a", "2", 60.0)
    assert await store.get("a") == "2"
    taken = await asyncio.gather(*(store.take("a") for _ in range(10)))
    assert sorted(value or "" for value in taken) == [""] * 9 + ["2"]
    added = await asyncio.gather(*(store.add("b", str(number), 60.0) for number in range(10)))
    assert added.count(True) == 1
    assert await store.get("b") == str(added.index(True))
    await store.delete("b")
    assert await store.get("b") is None
    assert await store.add("b", "again", 60.0)


async def test_shared_state_ends_with_its_time(shared: Shared) -> None:
    store = shared.store
    await store.put("a", "1", SHORT_S)
    await store.put("b", "1", SHORT_S)
    await store.put("c", "1", 60.0)
    await shared.pass_time(SHORT_S * 1.5)
    assert await store.get("a") is None
    assert await store.take("b") is None
    assert await store.add("a", "2", 60.0)
    assert await store.get("a") == "2"
    assert await store.get("c") == "1"


async def test_a_key_holds_any_text_and_what_is_missing_can_be_deleted(shared: Shared) -> None:
    await shared.store.put("ключ / 1", "значение\n{}", 60.0)
    assert await shared.store.get("ключ / 1") == "значение\n{}"
    await shared.store.delete("nothing")
    assert await shared.store.take("nothing") is None


@pytest.mark.slow
async def test_more_calls_at_once_than_redis_has_connections_wait_for_one(redis_server: str, clock: SetClock) -> None:
    async with emptied_redis(redis_server) as client:
        store = FallbackEphemeral(RedisEphemeral(client), MemoryEphemeral(clock), clock)
        await store.put("a", "1", 60.0)
        found = await asyncio.gather(*(store.get("a") for _ in range(4 * CONNECTIONS_MAX)))
        assert set(found) == {"1"}
        assert not store.health().degraded


async def test_what_has_ended_is_swept_where_nobody_writes_any_more(tmp_path: Path, clock: SetClock) -> None:
    async with databases_of(Settings(data_dir=tmp_path), Context.USERS) as databases:
        database = databases[Context.USERS]
        store = SqlEphemeral(database, clock)
        rows = [{"key": f"k{number}", "value": "a refresh token", "ends_at": clock.at + 1} for number in range(1001)]
        async with database.writing() as connection:
            await connection.execute(insert(ephemeral), rows)
        await store.put("lasting", "x", 100.0)
        clock.at += 2

        assert await sweeping(database, clock).run() == "swept 1001 ended rows"

        assert await store.get("lasting") == "x"
        assert [row[0] for row in await database.rows(select(ephemeral.c.key))] == ["lasting"]
