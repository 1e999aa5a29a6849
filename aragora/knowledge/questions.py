"""What is known of one question from earlier debates, as the opening of a debate asks for it: the belief adapter's way
out.

What is counted is some seconds old (`aragora.knowledge.folds`); the words of positions and claims are read from their
items each time, so that none is shown that was forgotten, held up or settled meanwhile.
"""

from __future__ import annotations

from aragora.clock import Clock
from aragora.debate.hints import OfferedCrux, OfferedPrior
from aragora.debate.knowledge import question_digest
from aragora.debate.model import DebateSpec
from aragora.knowledge.bounded import Items, Noted
from aragora.knowledge.folds import Folds, by_debate
from aragora.knowledge.model import Home
from aragora.knowledge.mound.adapters.belief import NAME, READ, beliefs, cruxes, priors, read


class Questions:
    """Over the notes and the items. Belongs to one event loop."""

    def __init__(self, noted: Noted, items: Items, clock: Clock) -> None:
        self._beliefs = Folds(noted, NAME, READ, lambda notes: beliefs(by_debate(notes, read)), clock)
        self._items = items

    async def of(self, spec: DebateSpec) -> tuple[tuple[OfferedPrior, ...], tuple[OfferedCrux, ...]]:
        """How likely the positions of the question are, and what is open. Raises Unavailable where the store is
        away."""
        home = Home(spec.org_id, spec.workspace)
        found = await self._beliefs.of(home, question_digest(spec.question))
        if not found.item_ids:
            return (), ()
        items = {item.item_id: item for item in await self._items.some(home.scope, found.item_ids)}
        return priors(found, spec.options, items), cruxes(found, items)
