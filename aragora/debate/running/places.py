"""Who runs, who waits and who is turned away, fair among organisations. Pure.

Rules
- At most `max_active` run at once and `max_queued` more wait. A place never stays empty while somebody waits.
- A place that becomes free goes to the organisation that has the fewest running; those with equally many take turns.
  Within an organisation it is first come, first served. So an organisation that fills the line delays itself alone.
- An organisation may hold places, running and waiting, as long as these stay below `share / (1 - share)` times those
  that are free: alone it gets `share` of all, together with others each gets the same and less, and some stay free for
  who comes next (Choudhury and Hahne 1998, "Dynamic queue length thresholds"). With a share of 1 it may hold all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from aragora.errors import Unavailable

T = TypeVar("T")

RETRY_AFTER_FULL_S = 5.0


@dataclass(slots=True)
class _Organisation(Generic[T]):
    held: int = 0  # running, waiting and about to be opened
    running: int = 0
    waiting: dict[T, None] = field(default_factory=dict)  # in the order in which they came


class Places(Generic[T]):
    """The places of one coordinator, for things that can be keys of a dictionary."""

    def __init__(self, max_active: int, max_queued: int, share: float = 1.0) -> None:
        self._max_active = max_active
        self._max_queued = max_queued
        self._share = share
        self._organisations: dict[str, _Organisation[T]] = {}
        self._lines: dict[str, _Organisation[T]] = {}  # those with somebody waiting, whose turn it is first
        self._held = 0
        self.running = 0
        self.waiting = 0

    def claim(self, org_id: str) -> None:
        """Keep a place for one that is about to come. Raises Unavailable (`full`) where the organisation gets none."""
        organisation = self._organisations.get(org_id)
        held = 0 if organisation is None else organisation.held
        free = self._max_active + self._max_queued - self._held
        if free <= 0:
            raise _full(f"{self._max_active} debates run and {self._max_queued} wait: try again later")
        if held * (1.0 - self._share) >= self._share * free:
            raise _full(
                f"your organisation holds {held} of {self._max_active + self._max_queued} places for debates, and the "
                f"{free} that are free are kept for others: try again when some of yours have ended"
            )
        self._hold(org_id)

    def release(self, org_id: str) -> None:
        """Give back a place that was claimed."""
        organisation = self._organisations[org_id]
        organisation.held -= 1
        self._held -= 1
        if organisation.held == 0:
            del self._organisations[org_id]

    def line_up(self, org_id: str, one: T) -> None:
        """Put `one` at the end of its organisation's line, whether there is a place or not."""
        organisation = self._hold(org_id)
        organisation.waiting[one] = None
        self._lines.setdefault(org_id, organisation)
        self.waiting += 1

    def start(self) -> T | None:
        """Who runs from now on; None where nobody waits, or nobody more may run."""
        if self.running >= self._max_active or not self._lines:
            return None
        org_id = min(self._lines, key=lambda name: self._lines[name].running)  # of equals the first
        organisation = self._lines.pop(org_id)
        self._lines[org_id] = organisation
        one = next(iter(organisation.waiting))
        self._step_out(org_id, organisation, one)
        organisation.running += 1
        self.running += 1
        return one

    def leave(self, org_id: str, one: T) -> None:
        """`one` is gone, from the line or from its place."""
        organisation = self._organisations[org_id]
        if one in organisation.waiting:
            self._step_out(org_id, organisation, one)
        else:
            organisation.running -= 1
            self.running -= 1
        self.release(org_id)

    def in_line(self) -> list[T]:
        """All that wait."""
        return [one for line in self._lines.values() for one in line.waiting]

    def _hold(self, org_id: str) -> _Organisation[T]:
        organisation = self._organisations.setdefault(org_id, _Organisation())
        organisation.held += 1
        self._held += 1
        return organisation

    def _step_out(self, org_id: str, organisation: _Organisation[T], one: T) -> None:
        del organisation.waiting[one]
        self.waiting -= 1
        if not organisation.waiting:
            del self._lines[org_id]


def _full(text: str) -> Unavailable:
    return Unavailable(text, code="full", retry_after_s=RETRY_AFTER_FULL_S)
