"""How many models named on the spot one process lets in. Each is a process, a breaker and rows of figures of its own:
whoever may ask must not be able to make thousands of them. Pure: time comes in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from aragora.errors import RateLimited
from aragora.limits import SPOT_AGENTS_MAX

STAY_S: Final = 3600.0
"""How long a guest counts after its last debate was opened."""


class Guests:
    """Those who were named lately, with the time when each was named last."""

    def __init__(self, most: int = SPOT_AGENTS_MAX) -> None:
        self._most = most
        self._named_at: dict[str, float] = {}  # the earliest first

    def admit(self, names: Iterable[str], now_s: float) -> None:
        """Count these. Raises RateLimited, and counts none, where they would be too many."""
        wanted = frozenset(names)
        self._forget(now_s)
        if len(wanted | self._named_at.keys()) > self._most:
            first = next(iter(self._named_at.values()), now_s)
            raise RateLimited(
                f"{self._most} different models were named as PROVIDER:MODEL within the last hour, the most this server "
                "takes: choose among those, or declare yours in agents.toml.",
                retry_after_s=max(1.0, first + STAY_S - now_s),
            )
        for name in sorted(wanted):
            self._named_at.pop(name, None)
            self._named_at[name] = now_s

    def _forget(self, now_s: float) -> None:
        for name, at in list(self._named_at.items()):
            if at + STAY_S > now_s:
                break
            del self._named_at[name]
