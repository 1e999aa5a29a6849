"""Which asks of a link to an agent go out again after the agent was lost, in what company, and which are given up.

Any of them may be what kills the agent, and those that were with it must not share its fate:
- What was lost once goes out again with all others: processes end for many reasons.
- What was lost `TOGETHER` times is a suspect. Suspects go out in groups, one group at a time with nothing beside it. A
  group that is lost is halved, and its halves wait behind the other groups, so that those without guilt come first.
- An ask that was lost `SENDS` times while nothing else was with it is given up.
- After `HOPELESS` losses without one answer in between all suspects are given up: the agent itself is what is broken.

Pure: times come in as arguments.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aragora.debate.model import AgentRequest

TOGETHER: Final = 2
SENDS: Final = 6  # of one ask alone
HOPELESS: Final = 2 * SENDS


@dataclass(slots=True)
class Asked:
    """An ask on its way: the loop time it expires, and how often it was lost, in company and alone."""

    request: AgentRequest
    expires: float
    losses: int = 0
    alone: int = 0

    @property
    def ask_id(self) -> str:
        return self.request.ask.ask_id

    @property
    def debate_id(self) -> str:
        return self.request.ask.debate_id


@dataclass(frozen=True, slots=True)
class Sorted:
    """What becomes of asks that were lost: sent again with all others, or given up. The rest are suspects now."""

    again: list[Asked]
    given_up: list[Asked]


class Suspects:
    """Those of one link."""

    def __init__(self) -> None:
        self._groups: deque[list[Asked]] = deque()
        self._in_a_row = 0

    def __bool__(self) -> bool:
        return bool(self._groups)

    def answered(self) -> None:
        """The agent answered something."""
        self._in_a_row = 0

    def lost(self, asks: Sequence[Asked]) -> Sorted:
        """The agent was lost while it had `asks`."""
        self._in_a_row += 1
        for asked in asks:
            asked.losses += 1
        if len(asks) == 1:
            asks[0].alone += 1
        again = [asked for asked in asks if asked.losses < TOGETHER]
        suspects = [asked for asked in asks if asked.losses >= TOGETHER]
        if self._in_a_row >= HOPELESS:
            given_up = suspects + [asked for group in self._groups for asked in group]
            self._groups.clear()
        else:
            given_up = [asked for asked in suspects if asked.alone >= SENDS]
            self._divide([asked for asked in suspects if asked.alone < SENDS])
        if given_up:
            self._in_a_row = 0
        return Sorted(again, given_up)

    def next(self, now: float) -> list[Asked]:
        """The group that goes out now, without those whose time is over; empty where there is none."""
        while self._groups:
            group = [asked for asked in self._groups.popleft() if asked.expires > now]
            if group:
                return group
        return []

    def put_back(self, group: list[Asked]) -> None:
        """These have not been sent after all."""
        if group:
            self._groups.appendleft(group)

    def withdraw(self, debate_id: str) -> None:
        """Nobody waits for the asks of this debate any more."""
        kept = ([asked for asked in group if asked.debate_id != debate_id] for group in self._groups)
        self._groups = deque(group for group in kept if group)

    def drop_expired(self, now: float) -> None:
        """Forget those whose time is over."""
        kept = ([asked for asked in group if asked.expires > now] for group in self._groups)
        self._groups = deque(group for group in kept if group)

    def _divide(self, group: list[Asked]) -> None:
        half = (len(group) + 1) // 2
        self._groups.extend(part for part in (group[:half], group[half:]) if part)
