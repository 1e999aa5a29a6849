"""Rate limits: how many requests a key, user or address may make, shared through Redis where there is one.

Without Redis, or while it is away, guesses at secrets (`GUESSES`) are counted in the database, so that replicas share
that count; all else each replica counts for itself: still limited, nobody locked out, and `health` says so.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from limits import RateLimitItem, parse

from aragora.clock import Clock
from aragora.errors import RateLimited, Unavailable
from aragora.identity.limit_counters import Counter, LibraryCounter

RETRY_REDIS_AFTER_S: Final = 5.0

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
MFA_PER_USER_AND_PLACE: Final = Limit("mfa_user", "5/5minute")
MFA_PER_USER: Final = Limit("mfa_user_everywhere", "30/15minute")
REGISTER_PER_ADDRESS: Final = Limit("register_address", "10/hour")
BAD_CREDENTIALS_PER_ADDRESS: Final = Limit("bad_credentials", "60/minute")
WEBHOOK_TEST: Final = Limit("webhook_test", "5/minute")  # of one webhook: each sends a request to somebody's receiver
WEBHOOK_VERIFY: Final = Limit("webhook_verify", "5/minute")  # as above

ALL_LIMITS: Final = (
    *(PER_ADDRESS, PER_PRINCIPAL, LOGIN_PER_ADDRESS, LOGIN_PER_ACCOUNT_AND_ADDRESS, LOGIN_PER_ACCOUNT),
    *(MFA_PER_USER_AND_PLACE, MFA_PER_USER, REGISTER_PER_ADDRESS, BAD_CREDENTIALS_PER_ADDRESS),
    *(WEBHOOK_TEST, WEBHOOK_VERIFY),
)

GUESSES: Final = frozenset(
    {LOGIN_PER_ADDRESS, LOGIN_PER_ACCOUNT_AND_ADDRESS, LOGIN_PER_ACCOUNT}
    | {MFA_PER_USER_AND_PLACE, MFA_PER_USER, REGISTER_PER_ADDRESS}
)
"""What replicas must count together: with each for itself, a guesser has as many tries as there are replicas."""


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
    """Counts hits against limits. `redis_url` None counts in this process; `guesses` counts those of `GUESSES` where
    Redis does not."""

    def __init__(self, clock: Clock, redis_url: str | None = None, guesses: Counter | None = None) -> None:
        self._clock = clock
        self._own = LibraryCounter(clock)
        self._redis = None if redis_url is None else LibraryCounter(clock, redis_url)
        self._guesses = guesses
        self._away_until = 0.0
        self._away_reason = ""
        self.refused: dict[str, int] = {limit.name: 0 for limit in ALL_LIMITS}

    @property
    def shared(self) -> bool:
        """Whether replicas count together."""
        return self._redis is not None and not self._away_reason

    @property
    def degraded(self) -> str:
        """Why replicas count for themselves now; empty where all is well."""
        return self._away_reason

    async def hit(self, limit: Limit, key: str) -> Verdict:
        """Count one and say whether it was within the limit."""
        for counter in self._counters(limit):
            try:
                count = await counter.hit(limit.item, limit.name, key)
            except Unavailable as away:
                self._note_away(counter, away)
                continue
            self._note_back(counter)
            if not count.allowed:
                self.refused[limit.name] = self.refused.get(limit.name, 0) + 1
            return Verdict(limit, count.allowed, count.remaining, count.reset_s)
        raise AssertionError("unreachable: memory always answers")

    async def forget(self, limit: Limit, key: str) -> None:
        """Give back what was counted against the key."""
        for counter in self._counters(limit):
            try:
                await counter.forget(limit.item, limit.name, key)
            except Unavailable as away:
                self._note_away(counter, away)

    async def require(self, *checks: tuple[Limit, str]) -> None:
        """Count one against each. Raises RateLimited where any limit is over."""
        for limit, key in checks:
            verdict = await self.hit(limit, key)
            if not verdict.allowed:
                raise RateLimited("Too many requests; wait and try again.", retry_after_s=max(1.0, verdict.reset_s))

    async def aclose(self) -> None:
        """Close the connections to Redis."""
        if self._redis is not None:
            await self._redis.aclose()

    def _counters(self, limit: Limit) -> Sequence[Counter]:
        """Where to count, the best place first; the next one serves where it is away."""
        redis = () if self._redis is None or self._clock.monotonic() < self._away_until else (self._redis,)
        database = () if self._guesses is None or limit not in GUESSES else (self._guesses,)
        return (*redis, *database, self._own)

    def _note_back(self, counter: Counter) -> None:
        if counter is self._redis and self._away_reason:
            _log.warning("Rate limits are shared through Redis again.")
            self._away_reason = ""

    def _note_away(self, counter: Counter, away: Unavailable) -> None:
        if counter is not self._redis:
            _log.warning("Guesses are counted by each replica for itself: %s", away.message)
            return
        if not self._away_reason:
            _log.warning("Degraded: each replica limits for itself. %s", away.message)
        self._away_until = self._clock.monotonic() + RETRY_REDIS_AFTER_S
        self._away_reason = "Redis does not answer: each replica limits for itself"
