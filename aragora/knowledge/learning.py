"""Learning from debates that have ended: from rows of the outbox to items in the store.

Each adapter (`ADAPTERS`) is a pure function from a debate to what it gives; this has the journals read, asks the
adapter, and writes what a portion of rows gives in one transaction for each workspace. A row that comes again changes
nothing and is not read, and what an adapter makes of a journal is always the same: so a store that was lost is rebuilt
from the journals. Only what a decision's votes are worth is read off the curve of the day
(`aragora.knowledge.earning`), and what came of the debates is looked up (`aragora.knowledge.heeding`), also where they
were learnt from before: the process may have died in between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from aragora.clock import Clock, SystemClock
from aragora.knowledge.calibration import Curve
from aragora.knowledge.earning import earned
from aragora.knowledge.lessons import Journals, Lessons, Shown
from aragora.knowledge.model import Home, ItemKind
from aragora.knowledge.mound.adapters import (
    belief,
    consensus,
    continuum,
    cost,
    critique,
    culture,
    elo,
    evidence,
    insights,
    pulse,
    ranking,
)
from aragora.knowledge.observations import Observation
from aragora.knowledge.planning import Addition, Effect, Planned
from aragora.knowledge.store.writing import Notes
from aragora.knowledge.syncs import Learnt, applied_id
from aragora.knowledge.taught import TaughtDebate
from aragora.observability.registry import REGISTRY, Registry
from aragora.storage.outbox import OutboxRow


def _nothing(_: TaughtDebate) -> tuple[()]:
    return ()


@dataclass(frozen=True, slots=True)
class Adapter:
    """What an adapter takes from a debate: the items that it gives, and what is noted besides."""

    gather: Callable[[TaughtDebate], tuple[Addition, ...]] = _nothing
    observe: Callable[[TaughtDebate], tuple[Observation, ...]] = _nothing

    @property
    def gives_items(self) -> bool:
        """Whether it gives any at all: outcomes are about items."""
        return self.gather is not _nothing


ADAPTERS: Final[Mapping[str, Adapter]] = {
    consensus.NAME: Adapter(gather=consensus.gather),
    evidence.NAME: Adapter(gather=evidence.gather),
    cost.NAME: Adapter(observe=cost.observe),
    continuum.NAME: Adapter(observe=continuum.observe),
    ranking.NAME: Adapter(observe=ranking.observe),
    pulse.NAME: Adapter(observe=pulse.observe),
    belief.NAME: Adapter(observe=belief.observe),
    critique.NAME: Adapter(gather=critique.gather, observe=critique.observe),
    insights.NAME: Adapter(observe=insights.observe),
    culture.NAME: Adapter(observe=culture.observe),
    elo.NAME: Adapter(observe=elo.observe),
}
"""Every adapter by its name."""

UNITS: Final = 200
"""Items of one transaction, but for those of a single debate: whoever else writes to the workspace waits for it."""

BEFORE: Final = "learnt before"
NOTHING: Final = "nothing to learn"
UNREADABLE: Final = "no readable journal"

FORWARD: Final = "aragora_km_forward_sync_latency_seconds"

log = structlog.get_logger("aragora.knowledge")


class Writing(Protocol):
    """Writes items (`aragora.knowledge.store.writing.KnowledgeWriter`)."""

    async def write_once(
        self, home: Home, batches: Mapping[str, Sequence[Addition]], notes: Notes | None = None
    ) -> dict[str, list[Planned]]: ...

    async def pass_over(self, outbox_ids: Sequence[str]) -> None: ...

    async def unapplied(self, outbox_ids: Collection[str]) -> set[str]: ...


class Outcomes(Protocol):
    """What came of debates (`aragora.knowledge.heeding.Heeding`)."""

    async def of(self, debate_ids: Collection[str]) -> int: ...

    async def curve(self, home: Home, domain: str) -> Curve: ...


class Learning:
    """One adapter at work."""

    def __init__(  # noqa: PLR0917
        self,
        adapter: str,
        journals: Journals,
        reader: Shown,
        writer: Writing,
        outcomes: Outcomes,
        clock: Clock | None = None,
        registry: Registry = REGISTRY,
    ) -> None:
        self._adapter = adapter
        self._of = ADAPTERS[adapter]
        self._journals = journals
        self._reader = reader
        self._writer = writer
        self._outcomes = outcomes
        self._clock = clock or SystemClock()
        self._registry = registry

    async def learn(self, rows: Sequence[OutboxRow], lessons: Lessons | None = None) -> Learnt:
        """Learn from the debates of outbox rows, in their order; those learnt from before change nothing. `lessons` are
        those of a portion that several adapters learn from.

        Raises Unavailable, and then the same rows may come again; any other error says that one of the rows cannot be
        learnt from, and then none of them was unless a transaction before it was done.
        """
        lessons = lessons or Lessons(self._journals, self._reader)
        by_id = {applied_id(row.outbox_id, self._adapter): row for row in rows}
        new = await self._writer.unapplied(by_id) if by_id else set()
        given: dict[Home, dict[str, tuple[Addition, ...]]] = {}
        noted: dict[str, tuple[Observation, ...]] = {}
        nothing: dict[str, str] = {}
        for key, row in by_id.items():
            if key not in new:
                continue
            taught = await lessons.of(row.debate_id)
            units = await self._units(taught) if taught is not None else ()
            observations = self._of.observe(taught) if taught is not None else ()
            if observations:
                noted[key] = observations
            if taught is not None and (units or observations):
                given.setdefault(taught.home, {})[key] = units
            else:
                nothing[key] = UNREADABLE if taught is None else NOTHING
        skipped = Counter({BEFORE: len(by_id) - len(new), **Counter(nothing.values())})
        learnt = Learnt(skipped[NOTHING], skipped=dict(+skipped))
        if nothing:
            await self._writer.pass_over(list(nothing))
        for home, batches in given.items():
            for part in _parts(batches):
                notes = Notes(self._adapter, noted) if noted else None
                written = await self._writer.write_once(home, part, notes)
                for key, units in part.items():
                    learnt = learnt.plus(self._told(by_id[key], home, units, noted.get(key, ()), written.get(key)))
        if self._of.gives_items:
            ended = (row.debate_id for key, row in by_id.items() if key not in nothing)
            await self._outcomes.of(tuple(dict.fromkeys(ended)))
        return learnt

    async def _units(self, taught: TaughtDebate) -> tuple[Addition, ...]:
        units = self._of.gather(taught)
        if any(one.added.statement.kind is ItemKind.DECISION for one in units):
            units = earned(units, await self._outcomes.curve(taught.home, taught.spec.domain))
        return units

    def _told(
        self,
        row: OutboxRow,
        home: Home,
        units: Sequence[Addition],
        notes: Sequence[Observation],
        written: Sequence[Planned] | None,
    ) -> Learnt:
        """What came of one debate; `written` is None where another process had applied its row meanwhile."""
        if written is None:
            return Learnt(1, skipped={BEFORE: 1}, gathered=len(units))
        self._registry.observe(FORWARD, max(0.0, self._clock.now() - row.created_at), adapter=self._adapter)
        added = sum(one.effect is Effect.ADDED for one in written)
        supported = sum(one.effect is Effect.SUPPORTED for one in written)
        if written:  # an adapter that only notes would say of each debate that it added nothing
            log.info(
                "knowledge learnt from a debate",
                adapter=self._adapter,
                debate_id=row.debate_id,
                org_id=home.org_id,
                workspace=home.workspace,
                added=added,
                supported=supported,
            )
        same = len(written) - added - supported
        skipped = {"nothing new": same} if same else None
        return Learnt(1, added, supported, skipped, gathered=len(units), noted=len(notes))


def _parts(batches: Mapping[str, tuple[Addition, ...]]) -> Iterator[dict[str, tuple[Addition, ...]]]:
    """These batches in their order, each part for one transaction."""
    part: dict[str, tuple[Addition, ...]] = {}
    size = 0
    for key, units in batches.items():
        if part and size + len(units) > UNITS:
            yield part
            part, size = {}, 0
        part[key] = units
        size += len(units)
    if part:
        yield part
