"""The mound as debates ask it at their opening: fulfils `aragora.debate.ports.KnowledgeSource`."""

from __future__ import annotations

from typing import Final, Protocol

from aragora.clock import Clock
from aragora.debate.knowledge import NotOffered, Offer
from aragora.debate.model import DebateSpec
from aragora.knowledge.condensing import is_summary
from aragora.knowledge.counting import timed_look
from aragora.knowledge.memories import Memories
from aragora.knowledge.model import Home, Item, LinkKind
from aragora.knowledge.offering import OFFERED, offered
from aragora.knowledge.searching import QUERY_MAX_CHARS, Searching
from aragora.knowledge.wanted import Wanted
from aragora.scope import Scope

FOUND: Final = 24
"""Items that are looked at for an offer of eight."""


class Beside(Protocol):
    """The store (`aragora.knowledge.store.reading.KnowledgeReader`)."""

    async def offers(self, home: Home) -> bool | None: ...

    async def linking_to(
        self, scope: Scope, item_ids: list[str], kind: LinkKind, now: float
    ) -> dict[str, list[Item]]: ...


class MoundSource:
    """Offers what the workspace of a debate knows."""

    def __init__(
        self, reader: Beside, searching: Searching, memories: Memories, clock: Clock, *, summaries: bool = False
    ) -> None:
        """`summaries`: take one in place of the hits that it was made of."""
        self._reader = reader
        self._searching = searching
        self._memories = memories
        self._clock = clock
        self._summaries = summaries

    async def offer(self, spec: DebateSpec) -> Offer:
        """What there is for the question. Raises Unavailable where the store is away."""
        home = Home(spec.org_id, spec.workspace)
        offers = await self._reader.offers(home)
        if not offers:  # nothing is known there, or it is switched off: no reason to wake the index
            return Offer(why=NotOffered.NONE if offers is None else NotOffered.OFF)
        with timed_look():
            return await self._found(home, spec)

    async def _found(self, home: Home, spec: DebateSpec) -> Offer:
        scope = Scope(home.org_id, frozenset({home.workspace}))
        query = spec.question[:QUERY_MAX_CHARS]
        answer = await self._searching.search(scope, query, k=FOUND, wanted=Wanted(kinds=OFFERED))
        found = [result.item for result in answer.results]
        dissents = await self._reader.linking_to(
            scope, [item.item_id for item in found], LinkKind.DISSENTS_FROM, self._clock.now()
        )
        summaries = await self.made_of(scope, found) if self._summaries else ()
        items = offered(spec.question, found, dissents, summaries, await self._memories.of(home, found))
        return Offer(items) if items else Offer(why=NotOffered.NONE)

    async def made_of(self, scope: Scope, found: list[Item]) -> list[Item]:
        """The summaries that were made of some of these items. Raises Unavailable."""
        ids = [item.item_id for item in found]
        by_item = await self._reader.linking_to(scope, ids, LinkKind.DERIVED_FROM, self._clock.now())
        return [one for linking in by_item.values() for one in linking if is_summary(one)]
