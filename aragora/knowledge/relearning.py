"""Learning from debates that ended before an adapter was there: one that came with an update, or a mound that is new.

Rules
- Once for each adapter the journals are walked, the oldest debate first, up to the moment at which the walk began: what
  ends from then on comes by the outbox. A debate that was learnt from before changes nothing.
- Adapters that have come equally far walk together, and each debate is read once for all of them.
- How far each has come is kept after each portion: a process that dies goes on from there. What was learnt in between
  is learnt again, which changes nothing.
- A run ends after `RUN_S` seconds; the next one goes on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from aragora.background import Job
from aragora.clock import Clock
from aragora.knowledge.lessons import Journals, Lessons, Shown
from aragora.knowledge.syncing import PORTION
from aragora.knowledge.syncs import TOPIC, Learnt
from aragora.storage.outbox import OutboxRow
from aragora.texts import counted

EVERY_S: Final = 60.0
RUN_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Reached:
    """How far an adapter has come with the debates that began from `upto` to before `until`, in seconds since the
    epoch."""

    upto: float
    until: float

    @property
    def done(self) -> bool:
        return self.upto >= self.until


class Began(Protocol):
    """A debate (`aragora.debate.store.debates.Span`)."""

    @property
    def debate_id(self) -> str: ...
    @property
    def began_at(self) -> float: ...


class Debates(Journals, Protocol):
    """Knows the debates that have ended (`aragora.debate.store.debates.DebateStore`)."""

    async def ended(
        self, since: float, after: tuple[float, str] | None, before: float, limit: int
    ) -> Sequence[Began]: ...


class Progress(Protocol):
    """Keeps how far adapters have come (`aragora.knowledge.store.relearnt.Relearnt`)."""

    async def reached(self, adapters: Collection[str]) -> Mapping[str, Reached]: ...

    async def note(self, adapters: Collection[str], reached: Reached) -> None: ...


class Learner(Protocol):
    """One adapter (`aragora.knowledge.syncing.Syncing`)."""

    async def earlier(self, rows: Sequence[OutboxRow], lessons: Lessons) -> Learnt: ...


class Relearning:
    """The walk of all adapters. Belongs to one event loop; every method raises Unavailable."""

    def __init__(
        self, adapters: Mapping[str, Learner], debates: Debates, reader: Shown, progress: Progress, clock: Clock
    ) -> None:
        self._adapters = adapters
        self._debates = debates
        self._reader = reader
        self._progress = progress
        self._clock = clock

    async def run(self) -> Learnt:
        """Go on for `RUN_S` seconds at most; what the adapters learnt in them."""
        learnt, until = Learnt(), self._clock.monotonic() + RUN_S
        known = dict(await self._progress.reached(self._adapters))
        now = self._clock.now()
        for name in self._adapters:
            known.setdefault(name, Reached(0.0, now))
        while waiting := {name: reached for name, reached in known.items() if not reached.done}:
            start = min(waiting.values(), key=lambda one: (one.upto, one.until))
            names = tuple(name for name, reached in waiting.items() if reached == start)
            after: tuple[float, str] | None = None
            reached = start
            while not reached.done:
                if self._clock.monotonic() >= until:
                    return learnt
                spans = await self._debates.ended(reached.upto, after, reached.until, PORTION)
                learnt = learnt.plus(await self._learn(names, spans))
                last = (spans[-1].began_at, spans[-1].debate_id) if len(spans) == PORTION else None
                after, reached = last, replace(reached, upto=last[0] if last else reached.until)
                await self._progress.note(names, reached)
            known.update(dict.fromkeys(names, reached))
        return learnt

    async def _learn(self, names: Collection[str], spans: Sequence[Began]) -> Learnt:
        """Have these adapters learn from a portion, one after another: whoever debates meanwhile goes first."""
        learnt, lessons, now = Learnt(), Lessons(self._debates, self._reader), self._clock.now()
        rows = [OutboxRow(f"{one.debate_id}:{TOPIC}", TOPIC, one.debate_id, "{}", now) for one in spans]
        if rows:
            for name in names:
                learnt = learnt.plus(await self._adapters[name].earlier(rows, lessons))
        return learnt


def relearning_job(relearning: Relearning) -> Job:
    """The durable job that walks the journals."""

    async def run() -> str:
        learnt = await relearning.run()
        return f"learnt {counted(learnt.written, 'item')} from earlier debates"

    return Job("learn from earlier debates", EVERY_S, run)
