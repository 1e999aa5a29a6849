"""The ephemeral port over Redis: GETDEL and SET NX make one-time use atomic across all replicas."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from aragora.errors import Unavailable

if TYPE_CHECKING:
    from redis.asyncio import Redis

T = TypeVar("T")

PREFIX = "aragora:"
TIMEOUT_S = 1.0


def connect(url: str) -> Redis:
    """A client with bounded waits: an absent Redis costs a second, not a request. Connects on first use."""
    from redis.asyncio import Redis  # noqa: PLC0415  servers without Redis never load it
    from redis.asyncio.retry import Retry  # noqa: PLC0415
    from redis.backoff import ExponentialWithJitterBackoff  # noqa: PLC0415

    client: Redis = Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        max_connections=50,
        health_check_interval=15,
        retry=Retry(ExponentialWithJitterBackoff(cap=0.2, base=0.05), retries=1),
    )
    return client


class RedisEphemeral:
    """Keys under `aragora:`. Every error of Redis becomes Unavailable."""

    def __init__(self, client: Redis, prefix: str = PREFIX) -> None:
        self._redis = client
        self._prefix = prefix

    async def put(self, key: str, value: str, ttl_s: float) -> None:
        await _asked(lambda: self._redis.set(self._prefix + key, value, px=_ms(ttl_s)))

    async def add(self, key: str, value: str, ttl_s: float) -> bool:
        return bool(await _asked(lambda: self._redis.set(self._prefix + key, value, px=_ms(ttl_s), nx=True)))

    async def get(self, key: str) -> str | None:
        return _text(await _asked(lambda: self._redis.get(self._prefix + key)))

    async def take(self, key: str) -> str | None:
        return _text(await _asked(lambda: self._redis.getdel(self._prefix + key)))

    async def delete(self, key: str) -> None:
        await _asked(lambda: self._redis.delete(self._prefix + key))


async def _asked(call: Callable[[], Awaitable[T]]) -> T:
    from redis.exceptions import RedisError  # noqa: PLC0415

    try:
        return await call()
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable(f"Redis does not answer ({type(error).__name__}).", retry_after_s=5.0) from error


def _ms(ttl_s: float) -> int:
    return max(1, int(ttl_s * 1000))


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else bytes(value).decode()
