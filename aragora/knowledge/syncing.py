"""The rounds of one adapter: what the outbox brings, and what a person asks for. Each is counted and noted.

Rules
- A sync on demand works off what waits for this adapter, the oldest first, in portions, for `SYNC_S` seconds at most.
  The rows stay where they are until the outbox has brought them to all adapters; then they change nothing here.
- One sync runs at a time. Whoever asks meanwhile gets what that one does.
- A row that cannot be learnt from is passed over by a sync, and told; the outbox tries it again in its own time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import structlog

from aragora.clock import Clock, SystemClock
from aragora.errors import Unavailable
from aragora.knowledge.lessons import Lessons
from aragora.knowledge.mound.adapters import task_outcomes
from aragora.knowledge.syncs import TOPIC, Learnt, Outcome, PartlyLearnt, Round, Standing, Synced, round_of
from aragora.knowledge.topics import topic_of
from aragora.observability.registry import REGISTRY, Registry
from aragora.storage.outbox import OutboxRow
from aragora.supervision import begin

SYNC_S: Final = 20.0
PORTION: Final = 16
"""Debates that are read before what they give is written."""
PORTIONS: Final[Mapping[str, int]] = {TOPIC: PORTION, task_outcomes.TOPIC: 200}
"""Rows of each topic that an adapter is given at once. Of a task nothing has to be read."""

SYNCS: Final = "aragora_km_adapter_syncs_total"
FAILURES: Final = "aragora_km_adapter_failures_total"
REFUSED: Final = "cannot be learnt from"

log = structlog.get_logger("aragora.knowledge")


class Adapter(Protocol):
    """Learns (`aragora.knowledge.learning.Learning`)."""

    async def learn(self, rows: Sequence[OutboxRow], lessons: Lessons | None = None) -> Learnt: ...


class Book(Protocol):
    """Knows how far adapters have come (`aragora.knowledge.store.adapters.AdapterBook`)."""

    async def note(self, adapter: str, done: Round, cursor_at: float | None) -> None: ...

    async def left(self, adapter: str) -> list[OutboxRow]: ...

    async def standings(self, adapters: Sequence[str]) -> list[Standing]: ...


class Syncing:
    """The rounds of one adapter in one process. Belongs to one event loop."""

    def __init__(
        self, name: str, adapter: Adapter, book: Book, clock: Clock | None = None, registry: Registry = REGISTRY
    ) -> None:
        self._name = name
        self._adapter = adapter
        self._book = book
        self._clock = clock or SystemClock()
        self._registry = registry
        self._running: asyncio.Task[Synced] | None = None

    async def learn(self, rows: Sequence[OutboxRow], lessons: Lessons | None = None) -> Learnt:
        """A round over rows that the outbox brings. Raises what `Learning.learn` does."""
        try:
            learnt = await self._adapter.learn(rows, lessons)
        except Exception:
            await self._note(Learnt(), None, Outcome.FAILED)
            raise
        await self._note(learnt, _newest(rows))
        return learnt

    async def sync(self) -> Synced:
        """A round over what waits now. Raises Unavailable where a store is away; what was stored by then stays."""
        if self._running is None or self._running.done():
            self._running = begin(self._sync(), "sync of an adapter")
        return await asyncio.shield(self._running)  # who leaves must not take it from the others

    async def _sync(self) -> Synced:
        learnt, done = Learnt(), list[OutboxRow]()
        began = self._clock.monotonic()
        try:
            left = await self._book.left(self._name)
            portion = PORTIONS[topic_of(self._name)]
            for start in range(0, len(left), portion):
                if self._clock.monotonic() - began >= SYNC_S:
                    break
                for rows, found in await self._of(left[start : start + portion], None):
                    learnt = learnt.plus(found)
                    done += rows if REFUSED not in (found.skipped or {}) else []
        except Exception:
            await self._note(learnt, _newest(done), Outcome.FAILED)
            raise
        await self._note(learnt, _newest(done))
        (standing,) = await self._book.standings((self._name,))
        return Synced(
            self._name,
            learnt.debates,
            learnt.gathered,
            learnt.written,
            dict(learnt.skipped or {}),
            standing.backlog,
            standing.lag_s,
            learnt.noted,
        )

    async def earlier(self, rows: Sequence[OutboxRow], lessons: Lessons) -> Learnt:
        """Learn from debates that ended before the adapter was there; a debate that cannot be learnt from is passed
        over, and told. Raises Unavailable; what was stored by then stays."""
        learnt = Learnt()
        for _, found in await self._of(rows, lessons):
            learnt = learnt.plus(found)
        return learnt

    async def _of(self, rows: Sequence[OutboxRow], lessons: Lessons | None) -> list[tuple[Sequence[OutboxRow], Learnt]]:
        """What came of these rows: together if possible, one by one where a row spoils the portion."""
        try:
            return [(rows, await self._adapter.learn(rows, lessons))]
        except Unavailable:
            raise
        except PartlyLearnt as partly:
            damaged = [row for row in rows if row.outbox_id in partly.refused]
            log.warning("outbox rows cannot be learnt from", adapter=self._name, error=str(partly))
            done = [row for row in rows if row.outbox_id not in partly.refused]
            return [(done, partly.learnt), (damaged, Learnt(skipped={REFUSED: len(damaged)}))]
        except Exception as refused:
            if len(rows) > 1:
                return [each for row in rows for each in await self._of([row], lessons)]
            log.exception(
                "an outbox row cannot be learnt from",
                adapter=self._name,
                debate_id=rows[0].debate_id,
                error=repr(refused),
            )
            return [(rows, Learnt(skipped={REFUSED: 1}))]

    async def _note(self, learnt: Learnt, cursor_at: float | None, outcome: Outcome = Outcome.DONE) -> None:
        """Count a round and keep what it did. It is not undone where that cannot be kept."""
        self._registry.inc(SYNCS if outcome is Outcome.DONE else FAILURES, adapter=self._name)
        try:
            await self._book.note(self._name, round_of(learnt, self._clock.now(), outcome), cursor_at)
        except Unavailable as away:
            log.warning("the round of an adapter is not noted", adapter=self._name, error=away.message)


def _newest(rows: Sequence[OutboxRow]) -> float | None:
    return max((row.created_at for row in rows), default=None)
