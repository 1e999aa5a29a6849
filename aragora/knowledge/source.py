"""The mound as debates ask it at their opening: fulfils `aragora.debate.ports.KnowledgeSource`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from typing import Final, Protocol, TypeVar

import structlog

from aragora.clock import Clock
from aragora.debate.hints import OfferedCrux, OfferedIssue, OfferedPrior
from aragora.debate.knowledge import NotOffered, Offer
from aragora.debate.model import DebateSpec
from aragora.knowledge.condensing import is_summary
from aragora.knowledge.counting import timed_look
from aragora.knowledge.memories import Memories
from aragora.knowledge.model import Home, Item, LinkKind
from aragora.knowledge.mound.adapters.continuum import Memory
from aragora.knowledge.offering import OFFERED, offered
from aragora.knowledge.searching import QUERY_MAX_CHARS, Searching
from aragora.knowledge.wanted import Wanted
from aragora.scope import Scope

FOUND: Final = 24
"""Items that are looked at for an offer of eight."""
BESIDE_SHARE: Final = 0.7
"""Of the time of a look: so much what is offered beside items may take; then the items go without."""

T = TypeVar("T")

log = structlog.get_logger("aragora.knowledge")


class Beside(Protocol):
    """The store (`aragora.knowledge.store.reading.KnowledgeReader`)."""

    async def offers(self, home: Home) -> bool | None: ...

    async def linking_to(
        self, scope: Scope, item_ids: list[str], kind: LinkKind, now: float
    ) -> dict[str, list[Item]]: ...


class Checking(Protocol):
    """Knows what critics are to check (`aragora.knowledge.checklists.Checklists`)."""

    async def of(self, home: Home, domain: str) -> tuple[OfferedIssue, ...]: ...


class Believing(Protocol):
    """Knows what earlier debates of a question came to (`aragora.knowledge.questions.Questions`)."""

    async def of(self, spec: DebateSpec) -> tuple[tuple[OfferedPrior, ...], tuple[OfferedCrux, ...]]: ...


class MoundSource:
    """Offers what the workspace of a debate knows."""

    def __init__(
        self,
        reader: Beside,
        searching: Searching,
        memories: Memories,
        clock: Clock,
        *,
        checking: Checking | None = None,
        believing: Believing | None = None,
        summaries: bool = False,
        beside_s: float = 0.1,
    ) -> None:
        """`summaries`: take one in place of the hits that it was made of. `beside_s`: for so long the rest is looked
        for, while items are searched."""
        self._reader = reader
        self._searching = searching
        self._memories = memories
        self._clock = clock
        self._checking = checking
        self._believing = believing
        self._summaries = summaries
        self._beside_s = beside_s

    async def offer(self, spec: DebateSpec) -> Offer:
        """What there is for the question. Raises Unavailable where the store is away."""
        home = Home(spec.org_id, spec.workspace)
        offers = await self._reader.offers(home)
        if not offers:  # nothing is known there, or it is switched off: no reason to wake the index
            return Offer(why=NotOffered.NONE if offers is None else NotOffered.OFF)
        with timed_look():
            offer, checklist, (priors, cruxes) = await asyncio.gather(
                self._found(home, spec), self._to_check(home, spec), self._believed(spec)
            )
        return replace(offer, checklist=checklist, priors=priors, cruxes=cruxes)

    async def _found(self, home: Home, spec: DebateSpec) -> Offer:
        scope = home.scope
        query = spec.question[:QUERY_MAX_CHARS]
        answer = await self._searching.search(scope, query, k=FOUND, wanted=Wanted(kinds=OFFERED))
        found = [result.item for result in answer.results]
        ids = [item.item_id for item in found]
        dissents, memories = await asyncio.gather(
            self._reader.linking_to(scope, ids, LinkKind.DISSENTS_FROM, self._clock.now()),
            self._beside(self._memories.of(home, found), dict[str, Memory](), "memory of items", spec),
        )
        summaries = await self.made_of(scope, found) if self._summaries else ()
        items = offered(spec.question, found, dissents, summaries, memories)
        return Offer(items) if items else Offer(why=NotOffered.NONE)

    async def _to_check(self, home: Home, spec: DebateSpec) -> tuple[OfferedIssue, ...]:
        """What critics are to check."""
        if self._checking is None or not spec.protocol.critique:
            return ()
        return await self._beside(self._checking.of(home, spec.domain), (), "checklist", spec)

    async def _believed(self, spec: DebateSpec) -> tuple[tuple[OfferedPrior, ...], tuple[OfferedCrux, ...]]:
        """What earlier debates of the question came to."""
        if self._believing is None:
            return (), ()
        return await self._beside(self._believing.of(spec), ((), ()), "priors", spec)

    async def _beside(self, asked: Awaitable[T], without: T, what: str, spec: DebateSpec) -> T:
        """What is offered beside items; `without` where that fails, or takes too long: it costs no item."""
        try:
            async with asyncio.timeout(self._beside_s):
                return await asked
        except Exception as error:  # noqa: BLE001  of whatever kind
            log.warning("a debate goes without", what=what, debate_id=spec.debate_id, error=type(error).__name__)
            return without

    async def made_of(self, scope: Scope, found: list[Item]) -> list[Item]:
        """The summaries that were made of some of these items. Raises Unavailable."""
        ids = [item.item_id for item in found]
        by_item = await self._reader.linking_to(scope, ids, LinkKind.DERIVED_FROM, self._clock.now())
        return [one for linking in by_item.values() for one in linking if is_summary(one)]
