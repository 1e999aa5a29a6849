"""The way to Redis, the ephemeral port over it, and what serves while Redis is away.

GETDEL and SET NX make one-time use atomic across all replicas. After a failure of Redis the second store serves for
`RETRY_AFTER_S`; then the next call tries Redis again. A value is written where it can be; a read that misses in one
store looks in the other, so what is written in between is not lost.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from aragora.clock import Clock
from aragora.errors import Unavailable
from aragora.storage.ephemeral import Ephemeral

if TYPE_CHECKING:
    from redis.asyncio import Redis

T = TypeVar("T")

PREFIX = "aragora:"
TIMEOUT_S = 1.0
RETRY_AFTER_S = 5.0
CONNECTIONS_MAX = 50
_log = logging.getLogger(__name__)


def connect(url: str) -> Redis:
    """A client with bounded waits: an absent Redis costs a second, not a request. Connects on first use. Of more calls
    at once than it has connections, the rest wait for one: to refuse them would look like an absent Redis."""
    from redis.asyncio import BlockingConnectionPool, Redis  # noqa: PLC0415  servers without Redis never load it
    from redis.asyncio.retry import Retry  # noqa: PLC0415
    from redis.backoff import ExponentialWithJitterBackoff  # noqa: PLC0415

    pool = BlockingConnectionPool.from_url(
        url,
        timeout=TIMEOUT_S,
        decode_responses=True,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        max_connections=CONNECTIONS_MAX,
        health_check_interval=15,
        retry=Retry(ExponentialWithJitterBackoff(cap=0.2, base=0.05), retries=1),
    )
    client: Redis = Redis.from_pool(pool)
    return client


async def asked(call: Callable[[], Awaitable[T]]) -> T:
    """What Redis answers. Its errors become Unavailable, except WatchError: another client changed a watched key."""
    from redis.exceptions import RedisError, WatchError  # noqa: PLC0415

    try:
        return await call()
    except WatchError:
        raise
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable(f"Redis does not answer ({type(error).__name__}).", retry_after_s=5.0) from error


class RedisEphemeral:
    """Keys under `aragora:`. Every error of Redis becomes Unavailable."""

    def __init__(self, client: Redis, prefix: str = PREFIX) -> None:
        self._redis = client
        self._prefix = prefix

    async def put(self, key: str, value: str, ttl_s: float) -> None:
        await asked(lambda: self._redis.set(self._prefix + key, value, px=_ms(ttl_s)))

    async def add(self, key: str, value: str, ttl_s: float) -> bool:
        return bool(await asked(lambda: self._redis.set(self._prefix + key, value, px=_ms(ttl_s), nx=True)))

    async def get(self, key: str) -> str | None:
        return _text(await asked(lambda: self._redis.get(self._prefix + key)))

    async def take(self, key: str) -> str | None:
        return _text(await asked(lambda: self._redis.getdel(self._prefix + key)))

    async def delete(self, key: str) -> None:
        await asked(lambda: self._redis.delete(self._prefix + key))


@dataclass(frozen=True, slots=True)
class EphemeralHealth:
    """`degraded`: the second store serves, for `since_s` seconds now, because of `reason`."""

    degraded: bool
    reason: str = ""
    since_s: float = 0.0


class FallbackEphemeral:
    """`first` while it answers, otherwise `second`."""

    def __init__(self, first: Ephemeral, second: Ephemeral, clock: Clock) -> None:
        self._first = first
        self._second = second
        self._clock = clock
        self._away_since: float | None = None
        self._try_again_at = 0.0
        self._reason = ""

    def health(self) -> EphemeralHealth:
        if self._away_since is None:
            return EphemeralHealth(degraded=False)
        return EphemeralHealth(True, self._reason, self._clock.monotonic() - self._away_since)

    async def put(self, key: str, value: str, ttl_s: float) -> None:
        await self._either(lambda store: store.put(key, value, ttl_s))

    async def add(self, key: str, value: str, ttl_s: float) -> bool:
        if await self._second.get(key) is not None:
            return False
        return await self._either(lambda store: store.add(key, value, ttl_s))

    async def get(self, key: str) -> str | None:
        found = await self._either(lambda store: store.get(key))
        return found if found is not None else await self._second.get(key)

    async def take(self, key: str) -> str | None:
        found = await self._either(lambda store: store.take(key))
        return found if found is not None else await self._second.take(key)

    async def delete(self, key: str) -> None:
        await self._second.delete(key)
        await self._either(lambda store: store.delete(key))

    async def _either(self, ask: Callable[[Ephemeral], Awaitable[T]]) -> T:
        now = self._clock.monotonic()
        if self._away_since is not None and now < self._try_again_at:
            return await ask(self._second)
        try:
            result = await ask(self._first)
        except Unavailable as error:
            self._note_away(error, now)
            return await ask(self._second)
        if self._away_since is not None:
            _log.warning("Shared state is back in Redis after %.0f s.", now - self._away_since)
            self._away_since = None
        return result

    def _note_away(self, error: Unavailable, now: float) -> None:
        self._try_again_at = now + RETRY_AFTER_S
        self._reason = error.message
        if self._away_since is None:
            self._away_since = now
            _log.warning("Degraded: %s Logins and limits go on from the second store.", error.message)


def _ms(ttl_s: float) -> int:
    return max(1, int(ttl_s * 1000))


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else bytes(value).decode()
