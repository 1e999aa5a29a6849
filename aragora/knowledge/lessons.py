"""The debates of one portion of outbox rows as adapters see them: each is read once, however many adapters ask.

What a debate had been shown with an item are the sources that this had when it was offered: those up to the newest of
them, whose time stands in the journal. What came to the item later the debate cannot have known, whenever it is learnt
from. Priors, cruxes and issues stand there without a time: theirs is that of the offer, by the clock of its node. Of
items that debates of the same portion decided the sources are not written yet: they are those debates.

A portion is short: what was forgotten since it began is kept out where items are written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Protocol

import structlog

from aragora.debate.journal import Unreadable, events_of, stamp_of
from aragora.debate.model import Event, KnowledgeCited, KnowledgeOffered
from aragora.errors import NotFound
from aragora.knowledge.condensing import is_summary, made_of
from aragora.knowledge.model import Home, Item, debate_root
from aragora.knowledge.mound.adapters.consensus import decided
from aragora.knowledge.roots import lineage
from aragora.knowledge.sameness import item_id_of
from aragora.knowledge.taught import Offered, TaughtDebate, spec_of
from aragora.scope import Scope

SKEW_S: Final = 600.0
"""By so much the clocks of two nodes may differ. In doubt a debate had been shown it, and counts for less."""

log = structlog.get_logger("aragora.knowledge")


class Journals(Protocol):
    """Reads debates (`aragora.debate.store.debates.DebateStore`)."""

    async def journal(self, debate_id: str) -> list[str]: ...


class Shown(Protocol):
    """Reads items (`aragora.knowledge.store.reading.KnowledgeReader`)."""

    async def some(self, scope: Scope, item_ids: Sequence[str]) -> list[Item]: ...


class Lessons:
    """Over the journals and the items. Belongs to one event loop; every method raises Unavailable."""

    def __init__(self, journals: Journals, reader: Shown) -> None:
        self._journals = journals
        self._reader = reader
        self._read: dict[str, TaughtDebate | None] = {}
        self._reading = asyncio.Lock()

    async def of(self, debate_id: str) -> TaughtDebate | None:
        """The debate; None where its journal is gone, damaged, or has no beginning."""
        async with self._reading:
            if debate_id not in self._read:
                self._read[debate_id] = await self._taught(debate_id)
            return self._read[debate_id]

    async def _taught(self, debate_id: str) -> TaughtDebate | None:
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
        began_at, at = stamp_of(payloads[0]), stamp_of(payloads[-1])
        taught = TaughtDebate(home, spec, tuple(enumerate(events, 1)), at, began_at=began_at)
        offered_at = max(
            (stamp_of(payload) for payload, event in zip(payloads, events, strict=True) if _is_offer(event)), default=at
        )
        return replace(taught, offered=await self._offered(home, events, debate_root(debate_id), offered_at + SKEW_S))

    async def _offered(self, home: Home, events: Sequence[Event], own: str, until: float) -> Offered:
        """What the debate of the root `own` had been shown, by `until` at the latest, and the roots behind that."""
        offers = [event for event in events if isinstance(event, KnowledgeOffered)]
        items = [item for event in offers for item in event.items]
        priors = [prior.item_id for event in offers for prior in event.priors]
        cruxes = [crux for event in offers for crux in event.cruxes]
        listed = {issue.item_id for event in offers for issue in event.checklist}
        if not items and not priors and not cruxes and not listed:
            return Offered()
        named = (*(item.item_id for item in items), *priors, *(crux.item_id for crux in cruxes))
        ids = tuple(dict.fromkeys(named))
        of_label = {item.label: item.item_id for item in items}
        labels = [label for event in events if isinstance(event, KnowledgeCited) for label in event.labels]
        cited = tuple(dict.fromkeys(of_label[label] for label in labels if label in of_label))
        there = await self._reader.some(home.scope, [*listed.difference(ids), *ids])
        known = [item for item in there if item.item_id in ids]
        # What was forgotten since had a debate behind it, too: that one is still in the journal.
        condensed = {item.item_id: made_of(item) for item in known if is_summary(item)}
        # A summary falls with any of its items: what cites it descends from those, and stands while one of them does.
        cited = tuple(dict.fromkeys(one for item_id in cited for one in condensed.get(item_id, (item_id,))))
        newest = {item.item_id: item.at for item in items}  # of the sources that each had
        seen = [_as_offered(item, newest.get(item.item_id, until), own) for item in known]
        named_by = {item.source_debate_id for item in items if item.source_debate_id}
        roots = {*lineage(seen), *map(debate_root, named_by)}
        for mate in filter(None, self._read.values()):
            said = decided(mate)
            item_id = "" if said is None or mate.home != home else item_id_of(home, said)
            shown = item_id in ids and mate.at <= newest.get(item_id, until)
            if shown or mate.spec.debate_id in named_by:
                roots |= {debate_root(mate.spec.debate_id), *mate.offered.roots}
        texts = (*(item.text for item in items), *(crux.text for crux in cruxes))
        checked = lineage(_as_offered(item, until, own) for item in there if item.item_id in listed)
        return Offered(ids, cited, texts, tuple(sorted(roots)), checked)


def _is_offer(event: Event) -> bool:
    return isinstance(event, KnowledgeOffered)


def _as_offered(item: Item, until: float, own: str) -> Item:
    """The item with the sources that it had up to then. One that descends from the debate itself came later."""
    had = (one for one in item.sources if one.at <= until and own not in (one.root, *one.exposed))
    return replace(item, sources=tuple(had))
