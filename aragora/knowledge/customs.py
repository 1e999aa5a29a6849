"""Which settings would suit a planned debate, by how its workspace decides: the culture adapter's way out."""

from __future__ import annotations

from aragora.debate.model import DebateSpec
from aragora.knowledge.bounded import LIMIT_S, Noted, bounded_look, readable
from aragora.knowledge.model import Home
from aragora.knowledge.mound.adapters.culture import NAME, READ, Suggestion, read, suggestions


class Customs:
    """Over what was noted."""

    def __init__(self, noted: Noted, *, limit_s: float = LIMIT_S) -> None:
        self._noted = noted
        self._limit_s = limit_s

    async def suggestions(self, planned: DebateSpec) -> tuple[Suggestion, ...]:
        """The settings that would suit a planned debate, by the newest of its workspace. Raises Unavailable where the
        store is away, or takes longer than the limit."""
        home = Home(planned.org_id, planned.workspace)
        async with bounded_look(self._limit_s, "how debates were decided"):
            seen = await self._noted.newest(home, NAME, planned.protocol.name, READ)
            return suggestions(planned, readable(seen, read))
