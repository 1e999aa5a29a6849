"""Which of many events of one kind are worth a line in the log, where each may come a thousand times a second."""

from __future__ import annotations

from typing import Final

FRESH_S: Final = 60.0


class Seldom:
    """Within a minute the first, the second, the fourth, the eighth event and so on; then it begins again."""

    __slots__ = ("_began_at", "_count")

    def __init__(self) -> None:
        self._began_at = float("-inf")
        self._count = 0

    def due(self, now: float) -> int:
        """How many there were in the minute so far, where this one is worth a line; 0 where it is not. `now` is
        monotonic seconds."""
        if now - self._began_at >= FRESH_S:
            self._began_at = now
            self._count = 0
        self._count += 1
        return self._count if self._count.bit_count() == 1 else 0
