"""Where hits against rate limits are counted: in this process or in Redis, by the `limits` library, or in the database.

The library counts in sliding windows; the database in fixed ones, of which a guesser gets two at their border at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from limits import RateLimitItem
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.aio.storage.redis.redispy import RedispyBridge
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError

from aragora.clock import Clock
from aragora.errors import Unavailable
from aragora.storage.ephemeral import SqlEphemeral

REDIS_TIMEOUT_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Count:
    """What a counter says of a hit. `reset_s` is the seconds until its window is over."""

    allowed: bool
    remaining: int
    reset_s: float


class Counter(Protocol):
    """Counts hits of a key against a rule, under the rule's name. Every method raises Unavailable."""

    async def hit(self, rule: RateLimitItem, name: str, key: str) -> Count:
        """Count one, unless the rule is over."""
        ...

    async def forget(self, rule: RateLimitItem, name: str, key: str) -> None:
        """Give back what was counted."""
        ...


class LibraryCounter:
    """Counts with the library, in Redis or, without its address, in this process."""

    def __init__(self, clock: Clock, redis_url: str | None = None) -> None:
        self._clock = clock
        self._storage: Storage = MemoryStorage() if redis_url is None else _redis(redis_url)
        self._limiter = SlidingWindowCounterRateLimiter(self._storage)

    async def hit(self, rule: RateLimitItem, name: str, key: str) -> Count:
        try:
            allowed = await self._limiter.hit(rule, name, key)
            stats = await self._limiter.get_window_stats(rule, name, key)
        except StorageError as error:
            raise _away(error) from error
        return Count(allowed, stats.remaining, max(0.0, stats.reset_time - self._clock.now()))

    async def forget(self, rule: RateLimitItem, name: str, key: str) -> None:
        try:
            await self._limiter.clear(rule, name, key)
        except StorageError as error:
            raise _away(error) from error

    async def aclose(self) -> None:
        """Close the connections to Redis."""
        if isinstance(self._storage, RedisStorage) and isinstance(self._storage.bridge, RedispyBridge):
            await self._storage.bridge.storage.aclose()


class RowCounter:
    """Counts in rows of the database, which all replicas share: for guesses at secrets, of which there are few."""

    def __init__(self, rows: SqlEphemeral, clock: Clock) -> None:
        self._rows = rows
        self._clock = clock

    async def hit(self, rule: RateLimitItem, name: str, key: str) -> Count:
        hits, ends_at = await self._rows.count(_row(name, key), rule.get_expiry())
        return Count(hits <= rule.amount, max(0, rule.amount - hits), max(0.0, ends_at - self._clock.now()))

    async def forget(self, rule: RateLimitItem, name: str, key: str) -> None:  # noqa: ARG002  the row is the window
        await self._rows.delete(_row(name, key))


def _row(name: str, key: str) -> str:
    return f"limit:{name}:{key}"


def _away(error: StorageError) -> Unavailable:
    return Unavailable(f"Redis does not answer ({type(error).__name__}).")


def _redis(url: str) -> Storage:
    return RedisStorage(
        f"async+{url}",
        wrap_exceptions=True,
        implementation="redispy",
        key_prefix="aragora:limits",
        socket_timeout=REDIS_TIMEOUT_S,
        socket_connect_timeout=REDIS_TIMEOUT_S,
    )
