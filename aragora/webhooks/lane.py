"""What waits for one target, in memory: in the order in which it goes. Pure; times are monotonic seconds.

What is due first goes first. A lane that keeps order (`fifo`) goes by the order of arrival alone: a delivery that is
tried again keeps its place at the head.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from dataclasses import dataclass

from aragora.webhooks.machine import Target
from aragora.webhooks.model import Delivery, Rules


@dataclass(slots=True)
class Entry:
    """A delivery in a lane and the monotonic time at which it is due."""

    delivery: Delivery
    due: float
    tried_other_secret: bool = False


class Lane:
    """One target: its machine, what is due and what waits for its time."""

    def __init__(self, target_id: str, org_id: str, rules: Rules, target: Target) -> None:
        self.target_id = target_id
        self.org_id = org_id
        self.rules = rules
        self.target = target
        self.by_id: dict[str, Entry] = {}  # those that wait here
        self.out: set[str] = set()  # those on their way
        self.unwanted: set[str] = set()  # of these those that were cancelled meanwhile
        self.ready: deque[str] = deque()
        self.later: list[tuple[float, int, str]] = []
        self.active = False  # in the turn of its organisation
        self.spilled = False
        self.resting = False
        self.wakes_at: float | None = None
        self.refused_at = -math.inf  # when something was due, and the target gave no leave

    def __len__(self) -> int:
        return len(self.by_id) + len(self.out)

    def place(self, entry: Entry, number: int, now: float, *, first: bool) -> None:
        """Put an entry where it belongs."""
        delivery_id = entry.delivery.delivery_id
        self.by_id[delivery_id] = entry
        if first:
            self.ready.appendleft(delivery_id)
        elif self.rules.fifo or entry.due <= now:
            self.ready.append(delivery_id)
        else:
            heapq.heappush(self.later, (entry.due, number, delivery_id))

    def head(self, now: float) -> Entry | float | None:
        """The entry that goes next, the time at which there is one, or None."""
        while self.later and self.later[0][0] <= now:
            self.ready.append(heapq.heappop(self.later)[2])
        while self.ready and self.ready[0] not in self.by_id:
            self.ready.popleft()  # cancelled
        if self.ready:
            entry = self.by_id[self.ready[0]]
            return entry if entry.due <= now else entry.due
        while self.later and self.later[0][2] not in self.by_id:
            heapq.heappop(self.later)
        return self.later[0][0] if self.later else None
