"""The outbox: what must follow from a commit, at least once. A row is written in the transaction it follows from.

Rules
- Each topic has at most one consumer. Rows of a topic without one stay where they are.
- A consumer gets a batch of its topic, oldest first, and applies it; then the rows are done and go. If the process dies
  in between, the rows come again, so a consumer is idempotent by `outbox_id` (`aragora.storage.applied`).
- Topics do not wait for each other: where one consumer fails, its rows stay and are tried again; the others go on.
- A row that its consumer cannot apply is set aside, and the rows beside it are applied. It is tried again after ten
  minutes, then after twice as long each time. After `TRIES_MAX` tries it is dead: logged, counted, kept in the table
  under the topic that `dead` names, which nobody reads. Giving it back its topic by hand brings it back.
- A topic with `SET_ASIDE_MAX` rows set aside pauses until the first of them may be tried again: its consumer refuses
  everything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from aragora.background import Every
from aragora.clock import Clock, SystemClock
from aragora.errors import AragoraError, Unavailable
from aragora.observability.samples import CounterDelta
from aragora.resilience.backoff import Backoff
from aragora.texts import counted

BATCH: Final = 500
IDLE_S: Final = 0.5  # how often the outbox is read while a topic has no rows
AFTER_ERROR: Final = Backoff(base_s=1.0, cap_s=2.0)
"""The pause after a failed step stays short: ratings and usage should appear soon after the store is back."""

LEFT_S: Final = 8.0  # at the end: whoever drains waits for it
SET_ASIDE_S: Final = 600.0  # after the first try
TRIES_MAX: Final = 6  # more than five hours
SET_ASIDE_MAX: Final = 2 * BATCH  # rows of a topic: they are read again with each batch

DEAD_ROWS: Final = "aragora_outbox_dead_rows_total"

log = structlog.get_logger("aragora.outbox")


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One thing that must follow. `created_at` is in seconds since the epoch."""

    outbox_id: str
    topic: str  # ratings, usage, events, knowledge, tasks
    debate_id: str  # in the outbox of the context `workflows`: the execution
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


class Settling(Protocol):
    """Who settles rows: the one that writes them (`aragora.debate.store.journal_writer.JournalWriter`,
    `aragora.workflows.store.writer.WorkflowWriter`)."""

    async def done(self, outbox_ids: Sequence[str]) -> None:
        """Drop these rows. Raises Unavailable, Fenced."""
        ...

    async def bury(self, topic: str, outbox_ids: Sequence[str], counters: Sequence[CounterDelta]) -> None:
        """Put these rows under another topic, and count it. Raises Unavailable, Fenced."""
        ...


def dead(topic: str) -> str:
    """Under which topic the dead rows of a topic are kept."""
    return f"{topic}.dead"


class OutboxRelay:
    """Brings rows to the consumers of their topics. One instance runs at a time (coordinator shard 0)."""

    def __init__(
        self, store: Pending, settling: Settling, consumers: Mapping[str, Consumer], clock: Clock | None = None
    ) -> None:
        clock = clock or SystemClock()
        self._topics = [_Topic(topic, consumer, store, settling, clock) for topic, consumer in consumers.items()]
        self._loops = [
            Every(f"outbox {topic.name}", IDLE_S, topic.step, after_error=AFTER_ERROR, sleep=topic.sleep)
            for topic in self._topics
        ]

    def wake(self, topic: str) -> None:
        """Read this topic now: rows were written just now."""
        for one in self._topics:
            if one.name == topic:
                one.woken.set()

    def start(self) -> None:
        """Run in the background until `aclose`."""
        for loop in self._loops:
            loop.start()

    async def aclose(self) -> None:
        """Stop, then bring over what is left, for up to `LEFT_S` seconds. Where a store or a consumer is away, the rows
        wait for the next start."""
        for loop in self._loops:
            await loop.aclose()
        await asyncio.gather(*(_bring_over(topic) for topic in self._topics))


async def _bring_over(topic: _Topic) -> None:
    """What is left of a topic at the end."""
    try:
        async with asyncio.timeout(LEFT_S):
            while await topic.step():
                continue
    except AragoraError as error:
        log.warning("outbox rows are left for the next start", topic=topic.name, error=error.message)
    except TimeoutError:
        log.warning(
            "outbox rows are left for the next start", topic=topic.name, error=f"not done within {LEFT_S:.0f} s"
        )


@dataclass(slots=True)
class _Failed:
    """How often a row was tried, and until when (monotonic seconds) it is not tried again."""

    tries: int = 0
    until: float = 0.0


class _Topic:
    """One topic on its way to its consumer."""

    def __init__(self, name: str, consumer: Consumer, store: Pending, settling: Settling, clock: Clock) -> None:
        self.name = name
        self._consumer = consumer
        self._store = store
        self._settling = settling
        self._clock = clock
        self._failed: dict[str, _Failed] = {}  # by outbox id
        self.woken = asyncio.Event()

    async def sleep(self, for_s: float) -> None:
        """Wait for so many seconds, or until somebody wakes the topic."""
        try:
            async with asyncio.timeout(for_s):
                await self.woken.wait()
        except TimeoutError:
            return
        finally:
            self.woken.clear()

    async def step(self) -> bool:
        """Bring over one batch; whether there may be more. Raises Unavailable, also where too many are set aside."""
        aside = self._aside(self._clock.monotonic())
        found = await self._store.pending((self.name,), BATCH + len(aside))
        rows = [row for row in found if row.outbox_id not in aside]
        applied = await self._apply(rows) if rows else []
        if applied:
            await self._settling.done(applied)
            for outbox_id in applied:
                self._failed.pop(outbox_id, None)
        await self._bury([outbox_id for outbox_id, failed in self._failed.items() if failed.tries >= TRIES_MAX])
        return len(rows) >= BATCH

    def _aside(self, now: float) -> set[str]:
        """The rows that are not to be tried yet."""
        aside = {outbox_id: failed.until for outbox_id, failed in self._failed.items() if failed.until > now}
        if len(aside) >= SET_ASIDE_MAX:
            raise Unavailable(
                f"{counted(len(aside), 'row')} of the topic {self.name} cannot be applied: the log has the reasons",
                retry_after_s=min(aside.values()) - now,
            )
        return set(aside)

    async def _apply(self, rows: Sequence[OutboxRow]) -> list[str]:
        """Together if possible, one by one where a row spoils the batch; returns the ids of those applied."""
        try:
            await self._consumer.apply(rows)
        except Unavailable:
            raise
        except Exception as refused:
            if len(rows) > 1:
                return [outbox_id for row in rows for outbox_id in await self._apply([row])]
            failed = self._failed.setdefault(rows[0].outbox_id, _Failed())
            failed.until = self._clock.monotonic() + SET_ASIDE_S * 2**failed.tries
            failed.tries += 1
            log.exception(
                "an outbox row cannot be applied",
                outbox_id=rows[0].outbox_id,
                tries=failed.tries,
                error=repr(refused),
            )
            return []
        return [row.outbox_id for row in rows]

    async def _bury(self, outbox_ids: Sequence[str]) -> None:
        if not outbox_ids:
            return
        counted = CounterDelta(DEAD_ROWS, (("topic", self.name),), float(len(outbox_ids)))
        await self._settling.bury(dead(self.name), outbox_ids, (counted,))
        for outbox_id in outbox_ids:
            del self._failed[outbox_id]
        log.error("outbox rows are dead: no try could apply them", topic=self.name, outbox_ids=outbox_ids)
