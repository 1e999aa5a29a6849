"""`ResponseCache`: results under a key, in the memory of one process, as the runbook prints it.

Rules
- A result is given until its time is over, something invalidates it, or room is needed: then the one that was used
  least recently goes first. It holds at most `max_size` entries and `max_bytes` bytes of them.
- Invalidation by workspace, tag and agent takes the entries out. A new policy version makes all entries from before it
  stale and leaves them where they are: they go when somebody asks for them, or room is needed. An era is never
  entered again: back at an earlier version, entries of its first time stay stale.
- What is given is a copy: nobody changes what is kept.

Thread-safe. The server's own cache, which all replicas share, is `aragora.decisions.store.entries`.
"""

from __future__ import annotations

import math
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from aragora.clock import Clock, SystemClock
from aragora.decisions.agent_versions import used
from aragora.encoding import NotEncodable, encode
from aragora.errors import InvalidInput
from aragora.texts import line

TEXT_MAX_CHARS: Final = 1_000
"""Of a key, a workspace, a tag, an agent's name and a version."""
TAGS_MAX: Final = 100
SIZE_MAX: Final = 1_000_000
TTL_MAX_S: Final = 366 * 86_400.0
BYTES_MAX: Final = 64 * 2**20
FIRST_POLICY: Final = "1"


@dataclass(frozen=True, slots=True)
class _Entry:
    result: Any
    workspace_id: str
    tags: frozenset[str]
    agents: Mapping[str, str]
    era: int
    ends_at: float
    size_bytes: int


class ResponseCache:
    """Results by key.

    Args:
        max_size: how many entries it holds, 1 to `SIZE_MAX`.
        ttl_seconds: how long each is given, above 0.
        max_bytes: what all entries together may hold, as JSON.
        clock: for tests.

    Raises InvalidInput for other values.
    """

    def __init__(
        self,
        max_size: int = 1_000,
        ttl_seconds: float = 3_600.0,
        *,
        max_bytes: int = BYTES_MAX,
        clock: Clock | None = None,
    ) -> None:
        self._max_size = _whole("max_size", max_size, SIZE_MAX)
        self._ttl_s = _seconds(ttl_seconds)
        self._max_bytes = _whole("max_bytes", max_bytes, 2**40)
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._bytes = 0
        self._policy = FIRST_POLICY
        self._era = 0
        self._counts: Counter[str] = Counter()

    def set(
        self,
        key: str,
        result: Any,
        workspace_id: str = "default",
        tags: Iterable[str] = (),
        *,
        agent_versions: Mapping[str, str] | None = None,
    ) -> None:
        """Keep `result`, a JSON value, under `key`, in place of what is there.

        Args:
            workspace_id: whose result it is.
            tags: names by which it can be invalidated.
            agent_versions: the agents that took part, with the version of each.

        Raises InvalidInput for a result that is no JSON value or is larger than the cache, and for texts that are
        empty, too long, or hold control characters.
        """
        if isinstance(tags, str):
            raise InvalidInput("tags is a list of texts, not one text")
        named = frozenset(_text("a tag", tag) for tag in tags)
        if len(named) > TAGS_MAX:
            raise InvalidInput(f"{len(named)} tags are too many: {TAGS_MAX} at most")
        agents = {_text("an agent", name): _text("a version", of) for name, of in (agent_versions or {}).items()}
        kept, size = _copied(result)
        if size > self._max_bytes:
            raise InvalidInput(f"the result has {size} bytes as JSON: the cache holds {self._max_bytes}")
        entry_key, workspace = _text("the key", key), _text("the workspace", workspace_id)
        with self._lock:
            ends_at = self._clock.monotonic() + self._ttl_s
            self._drop(entry_key)
            self._entries[entry_key] = _Entry(kept, workspace, named, agents, self._era, ends_at, size)
            self._bytes += size
            self._make_room()

    def get(self, key: str, default: Any = None) -> Any:
        """The result under `key`; `default` where there is none, or it is stale."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or not self._is_fresh(entry):
                self._drop(key)
                self._counts["misses"] += 1
                return default
            self._entries.move_to_end(key)
            self._counts["hits"] += 1
            return deepcopy(entry.result)

    def invalidate_by_tag(self, tag: str) -> int:
        """Take out all entries with this tag; returns how many there were."""
        return self._take_out(lambda entry: tag in entry.tags)

    def invalidate_workspace(self, workspace_id: str) -> int:
        """Take out all entries of a workspace; returns how many there were."""
        return self._take_out(lambda entry: entry.workspace_id == workspace_id)

    def invalidate_agent_version(self, agent: str, version: str) -> int:
        """Take out all entries in which this version of an agent took part (`aragora.decisions.agent_versions`);
        returns how many there were."""
        return self._take_out(lambda entry: used(entry.agents, agent, version))

    def set_policy_version(self, version: str) -> None:
        """From now on this policy is in force: all entries from before are stale. The version that is in force already
        changes nothing. Raises InvalidInput."""
        named = _text("the policy version", version)
        with self._lock:
            if named != self._policy:
                self._policy, self._era = named, self._era + 1
                self._counts["invalidations"] += 1

    def clear(self) -> int:
        """Take out everything; returns how many entries there were."""
        return self._take_out(lambda _: True)

    def stats(self) -> dict[str, Any]:
        """What it holds and did, with the keys of `get_cache_stats`."""
        with self._lock:
            fresh = [entry for entry in self._entries.values() if self._is_fresh(entry)]
            hits, misses = self._counts["hits"], self._counts["misses"]
            return {
                "total_entries": len(fresh),
                "size": len(fresh),
                "max_size": self._max_size,
                "ttl_seconds": self._ttl_s,
                "hits": hits,
                "misses": misses,
                "hit_rate": hits / (hits + misses) if hits + misses else 0.0,
                "evictions": self._counts["evictions"],
                "invalidations": self._counts["invalidations"],
                "current_policy_version": self._policy,
                "policy_version": self._policy,
                "entries_by_workspace": dict(Counter(entry.workspace_id for entry in fresh)),
            }

    def __len__(self) -> int:
        return int(self.stats()["total_entries"])

    def _is_fresh(self, entry: _Entry) -> bool:
        return entry.era == self._era and entry.ends_at > self._clock.monotonic()

    def _take_out(self, meant: Callable[[_Entry], bool]) -> int:
        with self._lock:
            found = [key for key, entry in self._entries.items() if meant(entry)]
            fresh = sum(self._is_fresh(self._entries[key]) for key in found)
            for key in found:
                self._drop(key)
            self._counts["invalidations"] += 1
            return fresh

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry.size_bytes

    def _make_room(self) -> None:
        """Stale entries go first, then those that were used least recently."""
        if len(self._entries) <= self._max_size and self._bytes <= self._max_bytes:
            return
        for key in [key for key, entry in self._entries.items() if not self._is_fresh(entry)]:
            self._drop(key)
        while len(self._entries) > self._max_size or self._bytes > self._max_bytes:
            self._drop(next(iter(self._entries)))
            self._counts["evictions"] += 1


def _whole(name: str, value: Any, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise InvalidInput(f"{name} is {value!r}: give a whole number from 1 to {most}")
    return value


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidInput(f"ttl_seconds is {value!r}: give a number of seconds")
    if not 0 < value <= TTL_MAX_S:
        raise InvalidInput(f"ttl_seconds is {value!r}: give a number above 0, at most {TTL_MAX_S:g}")
    return float(value)


def _text(what: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{what} is a {type(value).__name__}: give a text")
    if not 1 <= len(value) <= TEXT_MAX_CHARS:
        raise InvalidInput(f"{what} has {len(value)} characters: give 1 to {TEXT_MAX_CHARS}")
    try:
        return line(value)
    except ValueError as error:
        raise InvalidInput(f"{what}: {error}") from None


def _copied(result: Any) -> tuple[Any, int]:
    """A copy of a JSON value, and how many bytes it has as one."""
    try:
        size = len(encode(result))
        return deepcopy(result), size
    except (NotEncodable, TypeError, RecursionError) as error:
        raise InvalidInput(f"the result is no JSON value: {error}") from None
