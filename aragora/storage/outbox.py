"""The outbox: what must follow from a commit, at least once. A row is written in the transaction it follows from.

Rules
- Each topic has at most one consumer. Rows of a topic without one stay where they are.
- A consumer gets a batch of its topic, oldest first, and applies it; then the rows are done and go. If the process dies
  in between, the rows come again, so a consumer is idempotent by `outbox_id` (`aragora.storage.applied`).
- Topics do not wait for each other: where one consumer fails, its rows stay and are tried again; the others go on.
- A row that its consumer cannot apply is set aside for ten minutes, and the rows beside it are applied. A topic with
  `SET_ASIDE_MAX` such rows pauses until the first of them may be tried again: its consumer refuses everything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from aragora.background import Every
from aragora.clock import Clock, SystemClock
from aragora.errors import AragoraError, Unavailable
from aragora.resilience.backoff import Backoff

BATCH: Final = 500
IDLE_S: Final = 0.5  # how often the outbox is read while a topic has no rows
AFTER_ERROR: Final = Backoff(base_s=1.0, cap_s=2.0)
"""The pause after a failed step stays short: ratings and usage should appear soon after the store is back."""

SET_ASIDE_S: Final = 600.0
SET_ASIDE_MAX: Final = 2 * BATCH  # rows of a topic: they are read again with each batch

log = structlog.get_logger("aragora.outbox")


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One thing that must follow. `created_at` is in seconds since the epoch."""

    outbox_id: str
    topic: str  # ratings, usage, webhook, knowledge
    debate_id: str
    payload: str
    created_at: float


class Consumer(Protocol):
    """What follows from the rows of one topic."""

    async def apply(self, rows: Sequence[OutboxRow]) -> None:
        """Apply all of `rows` or none; those that were applied before change nothing. Raises Unavailable to get the
        same rows again; any other error says that one of the rows cannot be applied."""
        ...


class Pending(Protocol):
    """Where rows wait (`aragora.storage.outbox_store.OutboxStore`)."""

    async def pending(self, topics: Collection[str], limit: int = 100) -> list[OutboxRow]: ...


Done = Callable[[Sequence[str]], Awaitable[None]]
"""Drops rows that are done, by their ids (`JournalWriter.done`)."""


class OutboxRelay:
    """Brings rows to the consumers of their topics. One instance runs at a time (coordinator shard 0)."""

    def __init__(
        self, store: Pending, done: Done, consumers: Mapping[str, Consumer], clock: Clock | None = None
    ) -> None:
        clock = clock or SystemClock()
        self._topics = [_Topic(topic, consumer, store, done, clock) for topic, consumer in consumers.items()]
        self._loops = [
            Every(f"outbox {topic.name}", IDLE_S, topic.step, after_error=AFTER_ERROR) for topic in self._topics
        ]

    def start(self) -> None:
        """Run in the background until `aclose`."""
        for loop in self._loops:
            loop.start()

    async def aclose(self) -> None:
        """Stop, then bring over what is left. Where a store is away, the rows wait for the next start."""
        for loop in self._loops:
            await loop.aclose()
        for topic in self._topics:
            try:
                while await topic.step():
                    continue
            except AragoraError as error:
                log.warning("outbox rows are left for the next start", topic=topic.name, error=error.message)


class _Topic:
    """One topic on its way to its consumer."""

    def __init__(self, name: str, consumer: Consumer, store: Pending, done: Done, clock: Clock) -> None:
        self.name = name
        self._consumer = consumer
        self._store = store
        self._done = done
        self._clock = clock
        self._set_aside: dict[str, float] = {}  # until when, by outbox id

    async def step(self) -> bool:
        """Bring over one batch; whether there may be more. Raises Unavailable, also where too many are set aside."""
        self._free(self._clock.monotonic())
        found = await self._store.pending((self.name,), BATCH + len(self._set_aside))
        rows = [row for row in found if row.outbox_id not in self._set_aside]
        applied = await self._apply(rows) if rows else []
        if applied:
            await self._done(applied)
        return len(rows) >= BATCH

    def _free(self, now: float) -> None:
        """Rows that were set aside for long enough may be tried again."""
        self._set_aside = {outbox_id: until for outbox_id, until in self._set_aside.items() if until > now}
        if len(self._set_aside) >= SET_ASIDE_MAX:
            raise Unavailable(
                f"{len(self._set_aside)} rows of the topic {self.name} cannot be applied: the log has the reasons",
                retry_after_s=min(self._set_aside.values()) - now,
            )

    async def _apply(self, rows: Sequence[OutboxRow]) -> list[str]:
        """Together if possible, one by one where a row spoils the batch; returns the ids of those applied."""
        try:
            await self._consumer.apply(rows)
        except Unavailable:
            raise
        except Exception as refused:
            if len(rows) > 1:
                return [outbox_id for row in rows for outbox_id in await self._apply([row])]
            self._set_aside[rows[0].outbox_id] = self._clock.monotonic() + SET_ASIDE_S
            log.exception("an outbox row cannot be applied", outbox_id=rows[0].outbox_id, error=repr(refused))
            return []
        return [row.outbox_id for row in rows]
