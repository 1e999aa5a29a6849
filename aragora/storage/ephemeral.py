"""What lives for seconds to minutes and must be shared: one-time states, tickets, caches. A port, and memory.

`EphemeralState` is the pure machine (time comes in as an argument), so that one actor can hold it for all
replicas; `MemoryEphemeral` is the port over it within one process.
"""

from __future__ import annotations

import heapq
from typing import Protocol

from aragora.clock import Clock
from aragora.errors import Unavailable

MAX_ENTRIES = 100_000


class Ephemeral(Protocol):
    """Text under a key for a time. Raises Unavailable where the store is away."""

    async def put(self, key: str, value: str, ttl_s: float) -> None:
        """Keep `value` under `key` for `ttl_s` seconds, whatever was there."""
        ...

    async def add(self, key: str, value: str, ttl_s: float) -> bool:
        """Keep `value` unless the key is taken; True if this call took it. Of many at once, one wins."""
        ...

    async def get(self, key: str) -> str | None:
        """The value, or None where there is none or its time is over."""
        ...

    async def take(self, key: str) -> str | None:
        """The value, which is gone then: of many at once, one gets it."""
        ...

    async def delete(self, key: str) -> None: ...


class EphemeralState:
    """The entries and when each ends. Bounded: at `max_entries` live ones, further keys are refused."""

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        self._entries: dict[str, tuple[str, float]] = {}
        self._ends: list[tuple[float, str]] = []
        self._max = max_entries

    def put(self, key: str, value: str, ends_at: float, now: float) -> None:
        """Raises Unavailable where there is no room for another key."""
        self._drop_ended(now)
        if key not in self._entries and len(self._entries) >= self._max:
            raise Unavailable(
                "Too many logins and tickets are open at once; try again in a minute.", retry_after_s=60.0
            )
        self._entries[key] = (value, ends_at)
        heapq.heappush(self._ends, (ends_at, key))
        if len(self._ends) > 2 * self._max + 16:
            self._ends = [(ends, live) for live, (_, ends) in self._entries.items()]
            heapq.heapify(self._ends)

    def add(self, key: str, value: str, ends_at: float, now: float) -> bool:
        if self.get(key, now) is not None:
            return False
        self.put(key, value, ends_at, now)
        return True

    def get(self, key: str, now: float) -> str | None:
        entry = self._entries.get(key)
        return entry[0] if entry is not None and entry[1] > now else None

    def take(self, key: str, now: float) -> str | None:
        value = self.get(key, now)
        self._entries.pop(key, None)
        return value

    def delete(self, key: str) -> None:
        self._entries.pop(key, None)

    def __len__(self) -> int:
        return len(self._entries)

    def _drop_ended(self, now: float) -> None:
        while self._ends and self._ends[0][0] <= now:
            ends, key = heapq.heappop(self._ends)
            entry = self._entries.get(key)
            if entry is not None and entry[1] == ends:
                del self._entries[key]


class MemoryEphemeral:
    """The port within one process."""

    def __init__(self, clock: Clock, max_entries: int = MAX_ENTRIES) -> None:
        self._state = EphemeralState(max_entries)
        self._clock = clock

    async def put(self, key: str, value: str, ttl_s: float) -> None:
        now = self._clock.monotonic()
        self._state.put(key, value, now + ttl_s, now)

    async def add(self, key: str, value: str, ttl_s: float) -> bool:
        now = self._clock.monotonic()
        return self._state.add(key, value, now + ttl_s, now)

    async def get(self, key: str) -> str | None:
        return self._state.get(key, self._clock.monotonic())

    async def take(self, key: str) -> str | None:
        return self._state.take(key, self._clock.monotonic())

    async def delete(self, key: str) -> None:
        self._state.delete(key)
