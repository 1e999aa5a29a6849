"""The checklist of a domain, as the opening of a debate asks for it: the critique adapter's way out.

What is counted is some seconds old (`aragora.knowledge.folds`). The words of an issue are read from its item each time,
so that none is shown that was forgotten, disputed or held up meanwhile.
"""

from __future__ import annotations

from aragora.clock import Clock
from aragora.debate.hints import OfferedIssue
from aragora.knowledge.bounded import Items, Noted
from aragora.knowledge.folds import Folds, by_debate
from aragora.knowledge.model import Home
from aragora.knowledge.mound.adapters.critique import NAME, READ, ranked, read, told


class Checklists:
    """Over the notes and the items. Belongs to one event loop."""

    def __init__(self, noted: Noted, items: Items, clock: Clock) -> None:
        self._ranked = Folds(noted, NAME, READ, lambda notes: ranked(by_debate(notes, read)), clock)
        self._items = items

    async def of(self, home: Home, domain: str) -> tuple[OfferedIssue, ...]:
        """What critics of a debate of the domain are to check. Raises Unavailable where the store is away."""
        groups = await self._ranked.of(home, domain)
        ids = list(dict.fromkeys(item_id for group in groups for item_id in group.item_ids))
        if not ids:
            return ()
        return told(groups, {item.item_id: item for item in await self._items.some(home.scope, ids)})
