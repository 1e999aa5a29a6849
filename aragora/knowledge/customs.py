"""Which settings would suit a planned debate, by how its workspace decides: the culture adapter's way out."""

from __future__ import annotations

import asyncio

import structlog

from aragora.debate.model import DebateSpec
from aragora.errors import Unavailable
from aragora.knowledge.costs import LIMIT_S, Noted
from aragora.knowledge.counting import timed_look
from aragora.knowledge.model import Home
from aragora.knowledge.mound.adapters.culture import NAME, READ, Held, Suggestion, read, suggestions
from aragora.knowledge.observations import Observation

log = structlog.get_logger("aragora.knowledge")


class Customs:
    """Over what was noted."""

    def __init__(self, noted: Noted, *, limit_s: float = LIMIT_S) -> None:
        self._noted = noted
        self._limit_s = limit_s

    async def suggestions(self, planned: DebateSpec) -> tuple[Suggestion, ...]:
        """The settings that would suit a planned debate, by the newest of its workspace. Raises Unavailable where the
        store is away, or takes longer than the limit."""
        home = Home(planned.org_id, planned.workspace)
        with timed_look():
            try:
                async with asyncio.timeout(self._limit_s):
                    seen = await self._noted.newest(home, NAME, planned.protocol.name, READ)
            except TimeoutError:
                raise Unavailable(
                    "how debates were decided is not read in time: ask again", retry_after_s=1.0
                ) from None
            return suggestions(planned, [held for held in map(_read, seen) if held is not None])


def _read(observation: Observation) -> Held | None:
    try:
        return read(observation)
    except ValueError as damaged:
        log.warning("how a debate was decided cannot be read", debate_id=observation.debate_id, error=str(damaged))
        return None
