"""What a workspace asks about of late, as somebody wants to know: by its debates, and what the pulse adapter noted of
them.

The words are read from the debates each time and kept nowhere. A debate counts as long as its note is there: one that
is forgotten has none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from aragora.clock import Clock
from aragora.errors import InvalidInput
from aragora.knowledge.bounded import bounded_look, readable
from aragora.knowledge.decisive import READ_CHARS
from aragora.knowledge.model import Home
from aragora.knowledge.mound.adapters.pulse import DAY_S, NAME, read
from aragora.knowledge.observations import Observation
from aragora.knowledge.trending import (
    BEFORE_DAYS,
    DAYS,
    DAYS_MAX,
    DEBATES_MAX,
    LAST_DAYS,
    TOPICS,
    TOPICS_MAX,
    PastDebate,
    Topic,
    topics,
)

LIMIT_S: Final = 5.0
"""Of a look, in seconds: as many questions as are looked at take most of a second where each is as long as can be."""


class Question(Protocol):
    """A debate that has ended, and how its question begins."""

    @property
    def debate_id(self) -> str: ...

    @property
    def question(self) -> str: ...


class Debates(Protocol):
    """Reads debates (`aragora.debate.store.debates.DebateStore`)."""

    async def asked(self, org_id: str, workspace: str, since: float, limit: int, chars: int) -> Sequence[Question]: ...


class Noted(Protocol):
    """Reads what adapters noted (`aragora.knowledge.store.observations.Observations`)."""

    async def of_debates(self, home: Home, adapter: str, debate_ids: Collection[str]) -> list[Observation]: ...


@dataclass(frozen=True, slots=True)
class Trending:
    """What a workspace asked about in its last `days` days.

    Attributes:
        topics: the most recent first.
        debates: how many were looked at, those among them that serve to tell what rises.
        since: when the first of these ended, in seconds since the epoch; None where there is none.
        cut: there are more debates of these days than are looked at.
    """

    days: int
    topics: tuple[Topic, ...]
    debates: int
    since: float | None
    cut: bool


class AskedOfLate:
    """Over the debates and what was noted of them. Belongs to one event loop."""

    def __init__(self, debates: Debates, noted: Noted, clock: Clock, *, limit_s: float = LIMIT_S) -> None:
        self._debates = debates
        self._noted = noted
        self._clock = clock
        self._limit_s = limit_s
        self._one_at_a_time = asyncio.Lock()  # each takes a whole core for a moment

    async def topics(self, home: Home, days: int = DAYS, limit: int = TOPICS) -> Trending:
        """Up to `limit` (1 to `TOPICS_MAX`) topics of the last `days` (1 to `DAYS_MAX`) days. Raises InvalidInput, and
        Unavailable where a store is away or the look takes longer than the limit."""
        _check("days", days, DAYS_MAX)
        _check("limit", limit, TOPICS_MAX)
        async with bounded_look(self._limit_s, "what is asked about of late"), self._one_at_a_time:
            now = self._clock.now()
            since = now - DAY_S * max(days, LAST_DAYS + BEFORE_DAYS)
            asked = await self._debates.asked(home.org_id, home.workspace, since, DEBATES_MAX + 1, READ_CHARS)
            questions = {one.debate_id: one.question for one in asked[:DEBATES_MAX]}
            noted = await self._noted.of_debates(home, NAME, questions) if questions else []
            seen = readable(noted, lambda one: _past(one, questions[one.debate_id]))
            found = await asyncio.to_thread(topics, seen, now, days, limit)
        return Trending(
            days=days,
            topics=found,
            debates=len(seen),
            since=min((one.at for one in seen), default=None),
            cut=len(asked) > DEBATES_MAX,
        )


def _past(noted: Observation, question: str) -> PastDebate:
    said = read(noted)
    return PastDebate(noted.debate_id, question, noted.key, noted.at, said.reached, said.domain)


def _check(name: str, number: int, most: int) -> None:
    if not 1 <= number <= most:
        raise InvalidInput(f"{name} is {number}: give 1 to {most}")
