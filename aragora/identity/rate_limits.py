"""Rate limits: how many requests a key, user or address may make, shared through Redis where there is one.

The `limits` library counts (sliding window counters: constant memory per key). With Redis away each replica
counts for itself until it is back: still limited, nobody locked out, and `health` says so.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.aio.storage.redis.redispy import RedispyBridge
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError

from aragora.clock import Clock
from aragora.errors import RateLimited

RETRY_REDIS_AFTER_S: Final = 5.0
REDIS_TIMEOUT_S: Final = 0.5

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limit:
    """A rule. `name` stands in metrics, headers and /api/system/rate-limits; `rule` is e.g. `600/minute`."""

    name: str
    rule: str

    @property
    def item(self) -> RateLimitItem:
        return parse(self.rule)


# What callers may do. Reads of the pages and metrics are cheap; what costs money or guesses at secrets is not.
PER_ADDRESS: Final = Limit("address", "1200/minute")
PER_PRINCIPAL: Final = Limit("principal", "1200/minute")
LOGIN_PER_ADDRESS: Final = Limit("login_address", "30/minute")
LOGIN_PER_ACCOUNT_AND_ADDRESS: Final = Limit("login_account", "5/minute")
LOGIN_PER_ACCOUNT: Final = Limit("login_account_everywhere", "60/15minute")
MFA_PER_USER: Final = Limit("mfa_user", "5/5minute")
REGISTER_PER_ADDRESS: Final = Limit("register_address", "10/hour")
BAD_CREDENTIALS_PER_ADDRESS: Final = Limit("bad_credentials", "60/minute")

ALL_LIMITS: Final = (
    *(PER_ADDRESS, PER_PRINCIPAL, LOGIN_PER_ADDRESS, LOGIN_PER_ACCOUNT_AND_ADDRESS, LOGIN_PER_ACCOUNT),
    *(MFA_PER_USER, REGISTER_PER_ADDRESS, BAD_CREDENTIALS_PER_ADDRESS),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a limit says. `reset_s` is the seconds until its window is over."""

    limit: Limit
    allowed: bool
    remaining: int
    reset_s: float

    def headers(self) -> dict[str, str]:
        """The RateLimit headers (IETF draft-ietf-httpapi-ratelimit-headers)."""
        name = self.limit.name
        window_s = self.limit.item.get_expiry()
        return {
            "RateLimit-Policy": f'"{name}";q={self.limit.item.amount};w={window_s}',
            "RateLimit": f'"{name}";r={max(0, self.remaining)};t={math.ceil(self.reset_s)}',
        }


class RateLimits:
    """Counts hits against limits. `redis_url` None counts in this process."""

    def __init__(self, clock: Clock, redis_url: str | None = None) -> None:
        self._clock = clock
        self._own = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._shared = None if redis_url is None else SlidingWindowCounterRateLimiter(_redis(redis_url))
        self._away_until = 0.0
        self._away_reason = ""
        self.refused: dict[str, int] = {limit.name: 0 for limit in ALL_LIMITS}

    @property
    def shared(self) -> bool:
        """Whether replicas count together."""
        return self._shared is not None and not self._away_reason

    @property
    def degraded(self) -> str:
        """Why replicas count for themselves now; empty where all is well."""
        return self._away_reason

    async def hit(self, limit: Limit, key: str) -> Verdict:
        """Count one and say whether it was within the limit."""
        item = limit.item
        for limiter in self._limiters():
            try:
                allowed = await limiter.hit(item, limit.name, key)
                return await self._verdict(limiter, limit, key, allowed=allowed)
            except StorageError as error:
                self._note_away(error)
        raise AssertionError("unreachable: memory always answers")

    async def forget(self, limit: Limit, key: str) -> None:
        """Give back what was counted against the key."""
        for limiter in self._limiters():
            try:
                await limiter.clear(limit.item, limit.name, key)
            except StorageError as error:
                self._note_away(error)

    async def require(self, *checks: tuple[Limit, str]) -> None:
        """Count one against each. Raises RateLimited where any limit is over."""
        for limit, key in checks:
            verdict = await self.hit(limit, key)
            if not verdict.allowed:
                raise RateLimited("Too many requests; wait and try again.", retry_after_s=max(1.0, verdict.reset_s))

    async def aclose(self) -> None:
        """Close the connections to Redis."""
        storage = None if self._shared is None else self._shared.storage
        if isinstance(storage, RedisStorage) and isinstance(storage.bridge, RedispyBridge):
            await storage.bridge.storage.aclose()

    def _limiters(self) -> Sequence[SlidingWindowCounterRateLimiter]:
        if self._shared is None or self._clock.monotonic() < self._away_until:
            return (self._own,)
        return (self._shared, self._own)

    async def _verdict(
        self, limiter: SlidingWindowCounterRateLimiter, limit: Limit, key: str, *, allowed: bool
    ) -> Verdict:
        stats = await limiter.get_window_stats(limit.item, limit.name, key)
        if limiter is self._shared and self._away_reason:
            _log.warning("Rate limits are shared through Redis again.")
            self._away_reason = ""
        if not allowed:
            self.refused[limit.name] = self.refused.get(limit.name, 0) + 1
        return Verdict(limit, allowed, stats.remaining, max(0.0, stats.reset_time - self._clock.now()))

    def _note_away(self, error: StorageError) -> None:
        if not self._away_reason:
            _log.warning("Degraded: each replica limits for itself, Redis does not answer (%s).", type(error).__name__)
        self._away_until = self._clock.monotonic() + RETRY_REDIS_AFTER_S
        self._away_reason = "Redis does not answer: each replica limits for itself"


def _redis(url: str) -> Storage:
    return RedisStorage(
        f"async+{url}",
        wrap_exceptions=True,
        implementation="redispy",
        key_prefix="aragora:limits",
        socket_timeout=REDIS_TIMEOUT_S,
        socket_connect_timeout=REDIS_TIMEOUT_S,
    )
