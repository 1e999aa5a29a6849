"""What debates of a workspace took, as somebody asks who plans one: the cost adapter's way out."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

import structlog

from aragora.debate.model import DebateSpec
from aragora.errors import Unavailable
from aragora.knowledge.counting import timed_look
from aragora.knowledge.model import Home
from aragora.knowledge.mound.adapters.cost import NAME, READ, Estimate, Spent, like, read
from aragora.knowledge.observations import Observation

LIMIT_S: Final = 1.0

log = structlog.get_logger("aragora.knowledge")


class Noted(Protocol):
    """Reads what adapters noted (`aragora.knowledge.store.observations.Observations`)."""

    async def newest(self, home: Home, adapter: str, key: str, limit: int) -> list[Observation]: ...


class Costs:
    """Over what was noted."""

    def __init__(self, noted: Noted, *, limit_s: float = LIMIT_S) -> None:
        self._noted = noted
        self._limit_s = limit_s

    async def like(self, planned: DebateSpec) -> Estimate | None:
        """What debates like the planned one took, of the newest of its workspace; None where there are too few. Raises
        Unavailable where the store is away, or takes longer than the limit."""
        home = Home(planned.org_id, planned.workspace)
        with timed_look():
            try:
                async with asyncio.timeout(self._limit_s):
                    seen = await self._noted.newest(home, NAME, planned.protocol.name, READ)
            except TimeoutError:
                raise Unavailable("what debates took is not read in time: ask again", retry_after_s=1.0) from None
            return like(planned, [spent for spent in map(_read, seen) if spent is not None])


def _read(observation: Observation) -> Spent | None:
    try:
        return read(observation)
    except ValueError as damaged:
        log.warning("what a debate took cannot be read", debate_id=observation.debate_id, error=str(damaged))
        return None
