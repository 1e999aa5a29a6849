"""From outcomes to the confidence of items: follows the feed of outcomes with a cursor of its own.

Rules
- Of a debate its newest outcome is heeded (`aragora.knowledge.bearing`), whichever row of the feed named it. Heeding it
  again changes nothing, and an older version takes nothing back: any order and any repetition comes to the same.
- It is heeded when it is told, and by a durable job where that could not be.
- An outcome may come before its debate was learnt from. So whoever has learnt from a debate looks for its outcome
  afterwards, and whoever follows the feed looks for the items after the outcome was kept: one of the two finds both.
- What is forgotten stays so, and a forgotten debate's or person's outcomes are not learnt from.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import structlog

from aragora.background import Job
from aragora.clock import Clock, SystemClock
from aragora.knowledge.calibration import Curve
from aragora.knowledge.model import Home
from aragora.knowledge.store.heeded import HeededOutcomes
from aragora.knowledge.store.outcomes import OutcomeStore
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.resilience.cache import Cache
from aragora.storage.database import Database

BATCH: Final = 100
EVERY_S: Final = 60.0
CURVES_KEPT: Final = 1_000  # of workspaces and domains: each is counted from all outcomes of its organisation
CURVES_KEPT_S: Final = 60.0

log = structlog.get_logger("aragora.knowledge")


class Heeding:
    """Over the stores of one process. Every method raises Unavailable where they are away."""

    def __init__(self, outcomes: OutcomeStore, heeded: HeededOutcomes, clock: Clock | None = None) -> None:
        self._outcomes = outcomes
        self._heeded = heeded
        self._clock = clock or SystemClock()
        self._curves: Cache[tuple[Home, str], Curve] = Cache(CURVES_KEPT, CURVES_KEPT_S)

    async def of(self, debate_ids: Collection[str]) -> int:
        """Heed what came of these debates, at most some hundreds, as far as anybody told; returns how many of their
        items that changed."""
        changed = 0
        for newest in await self._outcomes.newest_of(debate_ids) if debate_ids else ():
            items = await self._heeded.heed(newest)
            changed += items
            if items:
                log.info(
                    "an outcome changed knowledge", debate_id=newest.debate_id, version=newest.version, items=items
                )
        return changed

    async def curve(self, home: Home, domain: str) -> Curve:
        """How often decisions of a workspace and domain turned out to be right, by their votes; up to `CURVES_KEPT_S`
        seconds old."""
        now = self._clock.monotonic()
        known = self._curves.get((home, domain), now)
        if known is not None:
            return known
        fill = self._curves.filling((home, domain))
        curve = await self._outcomes.curve(home.org_id, home.workspace, domain)
        fill(curve, now)
        return curve

    async def step(self) -> bool:
        """Follow the next outcomes; whether there may be more."""
        known = await self._heeded.known()
        found = await self._outcomes.after(known, BATCH)
        if not found:
            return False
        for debate_id in dict.fromkeys(one.debate_id for one in found):
            try:
                await self.of((debate_id,))
            except ValueError:  # a row that cannot be read: the others must not wait for it
                log.exception("an outcome cannot be brought to knowledge", debate_id=debate_id)
        await self._heeded.follow(found[-1].seq)
        return len(found) == BATCH


def heeding_over(memory: Database, writer: KnowledgeWriter) -> Heeding:
    """Over the database of context `aragora_memory`, and the writer of its items."""
    return Heeding(OutcomeStore(memory), HeededOutcomes(memory, writer))


def heeding_job(heeding: Heeding) -> Job:
    """The durable job that follows what was not heeded when it was told."""

    async def run() -> str:
        while await heeding.step():
            continue
        return "followed what was told of debates"

    return Job("heed outcomes", EVERY_S, run)
