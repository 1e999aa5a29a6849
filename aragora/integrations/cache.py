"""A small cache that never keeps what was changed while it was being read."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

Key = tuple[str, str, str]


class IntegrationCache:
    """At most `size` entries for `ttl_s` seconds each, the least recently used leaving first."""

    def __init__(self, size: int, ttl_s: float) -> None:
        self._size = size
        self._ttl_s = ttl_s
        self._entries: OrderedDict[Key, tuple[dict[str, Any], float]] = OrderedDict()
        self._changes = 0

    def get(self, key: Key, now: float) -> dict[str, Any] | None:
        entry = self._entries.get(key)
        if entry is None or entry[1] <= now:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def filling(self, key: Key) -> Callable[[dict[str, Any], float], None]:
        """How to keep what is about to be read: it is kept only if nothing was dropped in between."""
        seen = self._changes

        def fill(value: dict[str, Any], now: float) -> None:
            if self._ttl_s > 0 and seen == self._changes:
                self._entries[key] = (value, now + self._ttl_s)
                self._entries.move_to_end(key)
                while len(self._entries) > self._size:
                    self._entries.popitem(last=False)

        return fill

    def drop(self, key: Key) -> None:
        self._changes += 1
        self._entries.pop(key, None)
