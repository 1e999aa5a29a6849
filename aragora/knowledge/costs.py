"""What debates of a workspace took, as somebody asks who plans one: the cost adapter's way out."""

from __future__ import annotations

from aragora.debate.model import DebateSpec
from aragora.knowledge.bounded import LIMIT_S, Noted, bounded_look, readable
from aragora.knowledge.model import Home
from aragora.knowledge.mound.adapters.cost import NAME, READ, Estimate, like, read


class Costs:
    """Over what was noted."""

    def __init__(self, noted: Noted, *, limit_s: float = LIMIT_S) -> None:
        self._noted = noted
        self._limit_s = limit_s

    async def like(self, planned: DebateSpec) -> Estimate | None:
        """What debates like the planned one took, of the newest of its workspace; None where there are too few. Raises
        Unavailable where the store is away, or takes longer than the limit."""
        home = Home(planned.org_id, planned.workspace)
        async with bounded_look(self._limit_s, "what debates took"):
            seen = await self._noted.newest(home, NAME, planned.protocol.name, READ)
            return like(planned, readable(seen, read))
