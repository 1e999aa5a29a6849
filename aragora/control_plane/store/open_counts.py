"""How many tasks organisations have open, as one writer knows it: an upper bound, counted anew now and then. Pure.

Counting reads every open task of an organisation, thousands of them; the rest of a group may take less time than that.
So a count is used for a second. What this writer submits is added, what ends is not taken off: a writer alone in its
store never lets in one too many, and refuses none before it has counted. Of several writers each may let in what the
others submit within that second; near the bound each group counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from aragora.control_plane.model import OPEN_MAX
from aragora.control_plane.store.units import Submit

COUNTED_S: Final = 1.0
_NEAR: Final = 0.9  # of the bound
_ORGS_MAX: Final = 1_000


class OpenCounts:
    """Times are seconds since the epoch, of the units."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[float, int]] = {}

    def unknown(self, units: Iterable[object]) -> list[str]:
        """The organisations whose tasks are to be counted before the units are written."""
        if len(self._counts) >= _ORGS_MAX:
            self._counts.clear()
        new: dict[str, tuple[float, int]] = {}
        for unit in units:
            if isinstance(unit, Submit):
                at, number = new.get(unit.task.org_id, (unit.now, 0))
                new[unit.task.org_id] = max(at, unit.now), number + 1
        return sorted(org for org, (at, number) in new.items() if not self._knows(org, at, number))

    def counted(self, found: Mapping[str, int], at: float) -> None:
        """What was counted at that time."""
        for org, number in found.items():
            self._counts[org] = at, number

    def submitted(self, new: Iterable[Submit]) -> None:
        """These were written as new tasks, or are about to be."""
        for unit in new:
            if unit.task.org_id in self._counts:
                at, number = self._counts[unit.task.org_id]
                self._counts[unit.task.org_id] = at, number + 1

    @property
    def most(self) -> dict[str, int]:
        """How many an organisation has at most, of those that are known."""
        return {org: number for org, (_, number) in self._counts.items()}

    def _knows(self, org: str, at: float, new: int) -> bool:
        counted_at, number = self._counts.get(org, (0.0, OPEN_MAX))
        return abs(at - counted_at) < COUNTED_S and number + new < _NEAR * OPEN_MAX
