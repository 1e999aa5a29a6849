"""From outcomes to the calibration of agents: follows the feed of outcomes with a cursor of its own.

The outcomes are the truth, and stand in another database than the ratings. What is kept of them there follows from them
and can be made anew: whatever dies between an outcome and its scoring, the next step goes on behind the last outcome
that was scored. Every replica takes these steps; of two at once, one does.
"""

from __future__ import annotations

from typing import Final

import structlog

from aragora.background import Every
from aragora.knowledge.store.outcomes import OutcomeStore
from aragora.ranking.forecasts import ForecastStore, Scored

BATCH: Final = 100
EVERY_S: Final = 30.0
"""An outcome is scored when it is told; this finds what was left."""

log = structlog.get_logger("aragora.knowledge")


class Scoring:
    """`task` goes on until it is cancelled."""

    def __init__(self, outcomes: OutcomeStore, forecasts: ForecastStore) -> None:
        self._outcomes = outcomes
        self._forecasts = forecasts
        self.task = Every("scoring of outcomes", EVERY_S, self.step)

    async def step(self) -> bool:
        """Score the next outcomes; whether there may be more. Raises Unavailable."""
        known, head = await self._forecasts.known(), await self._outcomes.head()
        if head < known:
            log.warning("outcomes are scored anew: the store of outcomes is an older one", known=known, head=head)
            await self._forecasts.forget(after=known)
            return True
        found = await self._outcomes.after(known, BATCH) if head > known else []
        if not found:
            return False
        scored = [Scored(one.debate_id, one.org_id, one.domain, one.forecasts) for one in found]
        await self._forecasts.learn(scored, after=known, upto=found[-1].seq)
        return len(found) == BATCH
