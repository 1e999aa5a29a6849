"""Rate limits: shared through Redis, and still there when Redis is not."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from worlds.backends import SetClock

from aragora.clock import SystemClock
from aragora.config.settings import Settings
from aragora.errors import RateLimited
from aragora.identity.limit_counters import RowCounter
from aragora.identity.rate_limits import MFA_PER_USER_AND_PLACE, Limit, RateLimits
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.ephemeral import SqlEphemeral

pytestmark = pytest.mark.slow

THREE = Limit("three", "3/hour")


async def test_a_limit_lets_so_many_through_and_then_says_when() -> None:
    limits = RateLimits(SystemClock())
    verdicts = [await limits.hit(THREE, "a") for _ in range(4)]
    assert [verdict.allowed for verdict in verdicts] == [True, True, True, False]
    assert [verdict.remaining for verdict in verdicts] == [2, 1, 0, 0]
    assert 0 < verdicts[3].reset_s <= 3600
    assert (await limits.hit(THREE, "b")).allowed
    with pytest.raises(RateLimited) as caught:
        await limits.require((THREE, "a"))
    assert caught.value.retry_after_s is not None
    assert limits.refused["three"] == 2
    assert verdicts[0].headers()["RateLimit-Policy"] == '"three";q=3;w=3600'
    assert verdicts[0].headers()["RateLimit"].startswith('"three";r=2;t=')


async def test_what_is_given_back_was_not_counted() -> None:
    limits = RateLimits(SystemClock())
    for _ in range(5):
        await limits.require((THREE, "a"))
        await limits.forget(THREE, "a")
    assert (await limits.hit(THREE, "a")).remaining == 2


async def test_replicas_without_redis_share_the_count_of_guesses(users_database: Database, clock: SetClock) -> None:
    rows = SqlEphemeral(users_database, clock)
    replicas = [RateLimits(clock, guesses=RowCounter(rows, clock)) for _ in range(3)]
    verdicts = await asyncio.gather(*(each.hit(MFA_PER_USER_AND_PLACE, "usr_1") for each in replicas for _ in range(4)))
    assert [verdict.allowed for verdict in verdicts].count(True) == 5
    assert {verdict.reset_s for verdict in verdicts} == {300.0}
    assert (await replicas[0].hit(MFA_PER_USER_AND_PLACE, "usr_2")).remaining == 4
    await replicas[0].forget(MFA_PER_USER_AND_PLACE, "usr_2")
    assert (await replicas[1].hit(MFA_PER_USER_AND_PLACE, "usr_2")).remaining == 4
    assert [(await each.hit(THREE, "a")).remaining for each in replicas] == [2, 2, 2]  # no guess: each for itself
    clock.at += 300.0
    assert (await replicas[2].hit(MFA_PER_USER_AND_PLACE, "usr_1")).remaining == 4


async def test_with_the_database_away_a_replica_counts_guesses_itself(tmp_path: Path, clock: SetClock) -> None:
    nowhere = Database.open(Settings(data_dir=tmp_path / "gone"), Context.USERS)
    limits = RateLimits(clock, guesses=RowCounter(SqlEphemeral(nowhere, clock), clock))
    assert [(await limits.hit(MFA_PER_USER_AND_PLACE, "usr_1")).allowed for _ in range(6)] == [True] * 5 + [False]
    await nowhere.aclose()


async def test_replicas_share_a_limit_through_redis_and_go_on_without_it(own_redis: Any) -> None:
    clock = SystemClock()
    here, there = RateLimits(clock, own_redis.url), RateLimits(clock, own_redis.url)
    assert [(await each.hit(THREE, "a")).allowed for each in (here, there, here, there)] == [True, True, True, False]
    own_redis.stop()
    assert [(await here.hit(THREE, "a")).allowed for _ in range(4)] == [True, True, True, False]
    assert here.degraded
    own_redis.start()
    here._away_until = 0.0
    assert (await here.hit(THREE, "c")).allowed
    assert not here.degraded
    await here.aclose()
    await there.aclose()
