"""Keeping the summaries of workspaces up to date: a durable job, where `ARAGORA_ENABLE_RLM_SUMMARIES` says so.

It looks at workspaces whose ledger has grown since it last did, some of them each time, and writes a workspace's
changes in parts. Whatever dies in between, the next run makes the rest: what is there already is not made again. Where
summaries are switched off, those that there are fall.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from aragora.background import Job
from aragora.clock import Clock
from aragora.knowledge.condensing import groups, made_of, renewed
from aragora.knowledge.model import Home
from aragora.knowledge.planning import Burial, Unit
from aragora.knowledge.store.summaries import SummaryStore
from aragora.knowledge.store.writing import UNITS_MAX, KnowledgeWriter

EVERY_S: Final = 300.0
HOMES_MAX: Final = 20  # workspaces of one run


class Summarising:
    """Over the stores of one process. Every method raises Unavailable where they are away."""

    def __init__(self, store: SummaryStore, writer: KnowledgeWriter, clock: Clock) -> None:
        self._store = store
        self._writer = writer
        self._clock = clock

    async def condense(self) -> int:
        """Bring some workspaces up to date; returns how many summaries were made or fell."""
        behind = await self._store.behind()
        changed = 0
        for home, seq in sorted(behind.items(), key=lambda one: (one[1], one[0].org_id, one[0].workspace))[:HOMES_MAX]:
            changed += await self._of(home)
            await self._store.follow(home, seq)  # what it wrote itself is looked at once more, and found up to date
        return changed

    async def drop(self) -> int:
        """Let all summaries fall; returns how many."""
        fallen = 0
        for home in list(await self._store.followed())[:HOMES_MAX]:
            units: list[Unit] = [Burial(one.item_id, "") for one in await self._store.standing(home)]
            await self._write(home, units)
            await self._store.unfollow(home)
            fallen += len(units)
        return fallen

    async def _of(self, home: Home) -> int:
        standing = await self._store.standing(home)
        known = await self._store.some(home, {one for summary in standing for one in made_of(summary)})
        items, now = await self._store.grouped(home), self._clock.now()
        # Some seconds of one processor for a large workspace: the loop goes on meanwhile.
        units = await asyncio.to_thread(lambda: renewed(standing, groups(items), known, now))
        await self._write(home, units)
        return len(units)

    async def _write(self, home: Home, units: Sequence[Unit]) -> None:
        for start in range(0, len(units), UNITS_MAX):
            await self._writer.write(home, units[start : start + UNITS_MAX])


def summarising_job(summarising: Summarising, *, wanted: bool) -> Job:
    """The durable job; without `wanted` it lets what there is fall."""

    async def run() -> str:
        if wanted:
            return f"made anew or dropped {await summarising.condense()} summaries"
        return f"dropped {await summarising.drop()} summaries"

    return Job("condense knowledge", EVERY_S, run)
