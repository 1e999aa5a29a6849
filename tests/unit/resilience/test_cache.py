"""A bounded cache: what it keeps, for how long, and what it must not keep."""

from __future__ import annotations

from aragora.resilience.cache import Cache


def filled(cache: Cache[str, int], key: str, value: int, now: float = 0.0) -> None:
    cache.filling(key)(value, now)


def test_a_value_is_kept_for_its_time() -> None:
    cache: Cache[str, int] = Cache(size=2, ttl_s=10.0)
    assert cache.get("a", 0.0) is None
    filled(cache, "a", 1)
    assert cache.get("a", 9.9) == 1
    assert cache.get("a", 10.0) is None


def test_the_least_recently_used_value_leaves_first() -> None:
    cache: Cache[str, int] = Cache(size=2, ttl_s=10.0)
    filled(cache, "a", 1)
    filled(cache, "b", 2)
    assert cache.get("a", 1.0) == 1
    filled(cache, "c", 3)
    assert [cache.get(key, 1.0) for key in "abc"] == [1, None, 3]


def test_what_is_dropped_while_it_is_read_is_not_kept() -> None:
    cache: Cache[str, int] = Cache(size=2, ttl_s=10.0)
    fill = cache.filling("a")
    cache.drop("a")
    fill(1, 0.0)
    assert cache.get("a", 0.0) is None
    filled(cache, "a", 2)
    assert cache.get("a", 0.0) == 2
    cache.drop("a")
    assert cache.get("a", 0.0) is None


def test_what_is_cleared_while_it_is_read_is_not_kept() -> None:
    cache: Cache[str, int] = Cache(size=2, ttl_s=10.0)
    filled(cache, "a", 1)
    fill = cache.filling("b")
    cache.clear()
    fill(2, 0.0)
    assert [cache.get(key, 0.0) for key in "ab"] == [None, None]


def test_a_cache_without_time_keeps_nothing() -> None:
    cache: Cache[str, int] = Cache(size=2, ttl_s=0.0)
    filled(cache, "a", 1)
    assert cache.get("a", 0.0) is None
