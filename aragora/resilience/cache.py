"""A bounded cache that never keeps what was changed while it was being read. Pure: times come in as arguments."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Cache(Generic[K, V]):
    """At most `size` values for `ttl_s` seconds each; the least recently used leaves first. With a `ttl_s` of 0 it
    keeps nothing. Values are handed out as they are: keep copies of what callers may change."""

    def __init__(self, size: int, ttl_s: float) -> None:
        self._size = size
        self._ttl_s = ttl_s
        self._entries: OrderedDict[K, tuple[V, float]] = OrderedDict()
        self._drops = 0

    def get(self, key: K, now: float) -> V | None:
        """The value, or None where there is none or its time is over."""
        entry = self._entries.get(key)
        if entry is None or entry[1] <= now:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def filling(self, key: K) -> Callable[[V, float], None]:
        """How to keep what is about to be read, given with the time: it is kept only if nothing is dropped in
        between."""
        drops = self._drops

        def fill(value: V, now: float) -> None:
            if self._ttl_s > 0 and drops == self._drops:
                self._entries[key] = (value, now + self._ttl_s)
                self._entries.move_to_end(key)
                while len(self._entries) > self._size:
                    self._entries.popitem(last=False)

        return fill

    def clear(self) -> None:
        """Forget every value, as `drop` does with one."""
        self._drops += 1
        self._entries.clear()

    def drop(self, key: K) -> None:
        """Forget a value that changes or has changed: drop it before the change and after it."""
        self._drops += 1
        self._entries.pop(key, None)
