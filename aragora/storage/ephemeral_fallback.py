"""An ephemeral store that goes on when its first choice (Redis) is away, and says so.

After a failure the second choice serves for `RETRY_AFTER_S`; then the next call tries the first again. A value is
written where it can be; a read that misses in one looks in the other, so nothing written in between is lost.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from aragora.clock import Clock
from aragora.errors import Unavailable
from aragora.storage.ephemeral import Ephemeral

T = TypeVar("T")

RETRY_AFTER_S = 5.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EphemeralHealth:
    """`degraded`: the second choice serves, for `since_s` seconds now, because of `reason`."""

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
