"""Rate limits: shared through Redis, and still there when Redis is not."""

from __future__ import annotations

from typing import Any

import pytest

from aragora.clock import SystemClock
from aragora.errors import RateLimited
from aragora.identity.rate_limits import Limit, RateLimits

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


async def test_looking_counts_nothing() -> None:
    limits = RateLimits(SystemClock())
    for _ in range(5):
        await limits.require((THREE, "a"), count=False)
    assert (await limits.hit(THREE, "a")).remaining == 2


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
