"""Notes of failed requests: when, where and what kind, for the admin console; never what a request held."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

KEPT: Final = 500


@dataclass(frozen=True, slots=True)
class ErrorNote:
    """One failed request. `at` is seconds since the epoch; `path` the route's template; `replica_id` who failed."""

    at: float
    method: str
    path: str
    status: int
    error: str
    request_id: str
    replica_id: str


class ErrorNotes:
    """The last `KEPT` notes of one replica. `count` is how many there were since it began."""

    def __init__(self, replica_id: str) -> None:
        self.replica_id = replica_id
        self._notes: deque[ErrorNote] = deque(maxlen=KEPT)
        self.count = 0

    def add(self, note: ErrorNote) -> None:
        self._notes.appendleft(note)
        self.count += 1

    def latest(self, limit: int) -> tuple[ErrorNote, ...]:
        """The newest first."""
        return tuple(self._notes)[:limit]

    def after(self, count: int) -> tuple[ErrorNote, ...]:
        """Those that are kept of what came after the first `count`, the newest first."""
        return self.latest(max(0, self.count - count))
