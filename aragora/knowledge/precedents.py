"""What a workspace settled before, as somebody asks who plans a debate of the same question: the pulse adapter's way
out. What was noted says which decision; its words are those of the item as it stands now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aragora.clock import Clock
from aragora.debate.knowledge import question_digest
from aragora.debate.model import DebateSpec
from aragora.knowledge.bounded import LIMIT_S, Items, Noted, bounded_look, readable
from aragora.knowledge.confidence import confidence_of, in_words
from aragora.knowledge.model import Home, Item, ItemKind, Status
from aragora.knowledge.mound.adapters.consensus import subject_by
from aragora.knowledge.mound.adapters.pulse import (
    DAY_S,
    NAME,
    READ,
    RECENT_DAYS,
    Asked,
    Precedent,
    asked_since,
    read,
    settled,
)
from aragora.knowledge.sameness import item_id_of, next_id
from aragora.texts import counted

POSITION_CHARS: Final = 400

NEVER: Final = "no debate of this question has ended in this workspace"
LEARNING: Final = "what it was settled on is still being learnt: ask again"
GONE: Final = {
    Status.SUPERSEDED: "the item of what it was settled on last is superseded",
    Status.QUARANTINED: "what it was settled on waits until a person has looked at it",
    Status.FORGOTTEN: "what it was settled on is forgotten",
}
"""Why a decision is not shown, by how its item stands."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What a question was settled on in its workspace.

    Attributes:
        position: the answer, in a line. item_id, debate_id: the decision's item, and the newest debate that came to it.
        at: when that ended, in seconds since the epoch. debates: how many in a row came to it.
        changes: how often the answer had changed before. undecided: debates since then that reached no decision.
        confidence: of the item, 0 to 1. disputed: whether it is.
        valid_until: seconds since the epoch. valid: whether that is still to come.
        asked_recently: debates of the question that ended within the last `RECENT_DAYS`.
    """

    position: str
    item_id: str
    debate_id: str
    at: float
    debates: int
    changes: int
    undecided: int
    confidence: float
    confidence_words: str
    disputed: bool
    valid_until: float
    valid: bool
    asked_recently: int


class Precedents:
    """Over what was noted and the items."""

    def __init__(self, noted: Noted, items: Items, clock: Clock, *, limit_s: float = LIMIT_S) -> None:
        self._noted = noted
        self._items = items
        self._clock = clock
        self._limit_s = limit_s

    async def settled(self, planned: DebateSpec) -> Settled | str:
        """What the question of a planned debate was settled on, or in words why nothing is told. Raises Unavailable
        where the store is away, or takes longer than the limit."""
        home = Home(planned.org_id, planned.workspace)
        async with bounded_look(self._limit_s, "what was settled before"):
            return await self._found(home, planned.question)

    async def _found(self, home: Home, question: str) -> Settled | str:
        known = await look(self._noted, self._items, home, question_digest(question))
        seen, found, item = known.seen, known.found, known.item
        if not seen:
            return NEVER
        now = self._clock.now()
        recently = asked_since(seen, now - RECENT_DAYS * DAY_S)
        if found is None:
            many = counted(len(seen), "debate")
            return f"{many} of this question ended in this workspace, and none of them reached a decision"
        if item is None or _waits(item, found):
            return LEARNING
        if item.status in GONE:
            return GONE[item.status]
        return _told(found, item, now, recently)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one question: what pulse noted of its debates, what they settled on, and the item that says so;
    None where there is none."""

    seen: Sequence[Asked]
    found: Precedent | None = None
    item: Item | None = None


async def look(noted: Noted, items: Items, home: Home, digest: str) -> Known:
    """What is known of the question with this digest. Raises Unavailable."""
    seen = readable(await noted.newest(home, NAME, digest, READ), read)
    found = settled(seen)
    if found is None:
        return Known(seen)
    there = await items.some(home.scope, ids_of(found.item_id))
    return Known(seen, found, standing(home, digest, found.item_id, there))


def ids_of(item_id: str) -> list[str]:
    """The ids that the item of a decision may have, which had this one at first. Pure."""
    return [item_id, next_id(item_id)]


def standing(home: Home, digest: str, item_id: str, items: Sequence[Item]) -> Item | None:
    """Of `items`, those of `ids_of`, the one that says what the question with this digest was settled on, whose item
    had `item_id`: the one that says so now, also where it has the next id because the first was reworded, or else the
    one that has the id; None where there is none. Pure."""
    if not items:
        return None
    for item in items:
        if item.status is not Status.FORGOTTEN and item_id_of(home, item.statement) == item_id:
            return item
    named = next((item for item in items if item.item_id == item_id), None)
    if named is None or named.status is Status.FORGOTTEN:
        return named
    said = named.statement
    return named if said.kind is ItemKind.DECISION and said.subject == subject_by(digest) else None


def _waits(item: Item, found: Precedent) -> bool:
    """Whether the item is superseded only because the debate that brings it back is not learnt from yet."""
    heard = any(source.debate_id == found.debate_id for source in item.sources)
    return item.status is Status.SUPERSEDED and not heard


def _told(found: Precedent, item: Item, now: float, recently: int) -> Settled:
    confidence, ends = confidence_of(item).value, item.statement.valid_to
    valid_until = found.valid_until if ends is None else ends
    said = item.statement.value or item.statement.content
    return Settled(
        position=" ".join(said[:POSITION_CHARS].split()),
        item_id=item.item_id,
        debate_id=found.debate_id,
        at=found.at,
        debates=found.debates,
        changes=found.changes,
        undecided=found.undecided,
        confidence=confidence,
        confidence_words=in_words(confidence),
        disputed=item.status is Status.DISPUTED,
        valid_until=valid_until,
        valid=now < valid_until,
        asked_recently=recently,
    )
