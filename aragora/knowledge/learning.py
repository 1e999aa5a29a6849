"""Learning from debates that have ended: from rows of the outbox to items in the store.

Each adapter (`ADAPTERS`) is a pure function from a debate to what it gives; this reads the journal, asks the adapter
and writes. A row that comes again changes nothing, and what an adapter makes of a journal is always the same: so a
store that was lost is rebuilt from the journals. Only what a decision's votes are worth is read off the curve of the
day (`aragora.knowledge.earning`), and what came of the debate is looked up (`aragora.knowledge.heeding`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

import structlog

from aragora.clock import Clock, SystemClock
from aragora.debate.journal import Unreadable, events_of, stamp_of
from aragora.debate.model import Event, KnowledgeCited, KnowledgeOffered
from aragora.errors import NotFound
from aragora.knowledge.calibration import Curve
from aragora.knowledge.condensing import is_summary, made_of
from aragora.knowledge.earning import earned
from aragora.knowledge.model import Home, Item, ItemKind
from aragora.knowledge.mound.adapters import consensus, evidence
from aragora.knowledge.planning import Addition, Effect, Planned
from aragora.knowledge.roots import lineage
from aragora.knowledge.syncs import Learnt, applied_id
from aragora.knowledge.taught import Offered, TaughtDebate, spec_of
from aragora.observability.registry import REGISTRY, Registry
from aragora.scope import Scope
from aragora.storage.outbox import OutboxRow

Gather = Callable[[TaughtDebate], tuple[Addition, ...]]

ADAPTERS: Final[Mapping[str, Gather]] = {consensus.NAME: consensus.gather, evidence.NAME: evidence.gather}
"""Every adapter by its name."""

FORWARD: Final = "aragora_km_forward_sync_latency_seconds"

log = structlog.get_logger("aragora.knowledge")


class Journals(Protocol):
    """Reads debates (`aragora.debate.store.debates.DebateStore`)."""

    async def journal(self, debate_id: str) -> list[str]: ...


class Shown(Protocol):
    """Reads items (`aragora.knowledge.store.reading.KnowledgeReader`)."""

    async def some(self, scope: Scope, item_ids: Sequence[str]) -> list[Item]: ...


class Writing(Protocol):
    """Writes items (`aragora.knowledge.store.writing.KnowledgeWriter`)."""

    async def write_once(self, home: Home, batches: Mapping[str, Sequence[Addition]]) -> list[Planned]: ...

    async def pass_over(self, outbox_ids: Sequence[str]) -> None: ...


class Outcomes(Protocol):
    """What came of debates (`aragora.knowledge.heeding.Heeding`)."""

    async def of(self, debate_id: str) -> int: ...

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
        self._gather = ADAPTERS[adapter]
        self._journals = journals
        self._reader = reader
        self._writer = writer
        self._outcomes = outcomes
        self._clock = clock or SystemClock()
        self._registry = registry

    async def learn(self, rows: Sequence[OutboxRow]) -> Learnt:
        """Learn from the debates of outbox rows; those learnt from before change nothing. Raises Unavailable, and then
        the same rows may come again; any other error says that one of them cannot be learnt from."""
        learnt, nothing = Learnt(), list[str]()
        for row in rows:
            found = await self._of(row)
            learnt = learnt.plus(found)
            if not found.gathered:
                nothing.append(applied_id(row.outbox_id, self._adapter))
        if nothing:  # remembered together: most debates have nothing for most adapters
            await self._writer.pass_over(nothing)
        return learnt

    async def _of(self, row: OutboxRow) -> Learnt:
        debate_id = row.debate_id
        taught = await self._taught(debate_id)
        if taught is None:
            return Learnt(skipped={"no readable journal": 1})
        units = self._gather(taught)
        if not units:
            return Learnt(1, skipped={"nothing to learn": 1})
        if any(one.added.statement.kind is ItemKind.DECISION for one in units):
            units = earned(units, await self._outcomes.curve(taught.home, taught.spec.domain))
        written = await self._writer.write_once(taught.home, {applied_id(row.outbox_id, self._adapter): units})
        await self._outcomes.of(debate_id)
        if not written:
            return Learnt(1, skipped={"learnt before": 1}, gathered=len(units))
        self._registry.observe(FORWARD, max(0.0, self._clock.now() - row.created_at), adapter=self._adapter)
        added = sum(one.effect is Effect.ADDED for one in written)
        supported = sum(one.effect is Effect.SUPPORTED for one in written)
        log.info(
            "knowledge learnt from a debate",
            adapter=self._adapter,
            debate_id=debate_id,
            org_id=taught.home.org_id,
            workspace=taught.home.workspace,
            added=added,
            supported=supported,
        )
        same = len(written) - added - supported
        return Learnt(1, added, supported, {"nothing new": same} if same else None, gathered=len(units))

    async def _taught(self, debate_id: str) -> TaughtDebate | None:
        """The debate as adapters see it; None where its journal is gone, damaged, or has no beginning."""
        try:
            payloads = await self._journals.journal(debate_id)
            events = events_of(payloads)
        except NotFound:  # the debate was deleted meanwhile
            return None
        except Unreadable as damaged:
            log.warning("nothing is learnt from a journal that cannot be read", debate_id=debate_id, error=str(damaged))
            return None
        spec = spec_of(events)
        if spec is None:
            return None
        home = Home(spec.org_id, spec.workspace)
        taught = TaughtDebate(home, spec, tuple(enumerate(events, 1)), stamp_of(payloads[-1]))
        return replace(taught, offered=await self._offered(home, events))

    async def _offered(self, home: Home, events: Sequence[Event]) -> Offered:
        """What the debate had been shown, and the roots behind that."""
        items = [item for event in events if isinstance(event, KnowledgeOffered) for item in event.items]
        if not items:
            return Offered()
        ids = tuple(dict.fromkeys(item.item_id for item in items))
        of_label = {item.label: item.item_id for item in items}
        labels = [label for event in events if isinstance(event, KnowledgeCited) for label in event.labels]
        cited = tuple(dict.fromkeys(of_label[label] for label in labels if label in of_label))
        known = await self._reader.some(Scope(home.org_id, frozenset({home.workspace})), ids)
        # What was forgotten since had a debate behind it, too: that one is still in the journal.
        condensed = {item.item_id: made_of(item) for item in known if is_summary(item)}
        # A summary falls with any of its items: what cites it descends from those, and stands while one of them does.
        cited = tuple(dict.fromkeys(one for item_id in cited for one in condensed.get(item_id, (item_id,))))
        roots = {*lineage(known), *(f"debate:{item.source_debate_id}" for item in items if item.source_debate_id)}
        return Offered(ids, cited, tuple(item.text for item in items), tuple(sorted(roots)))
