"""What follows from things to write: new ledger entries, and the items after them. Pure.

Each unit sees what the units before it have made. An addition that is there already supports the item that is there.
What an addition says for the first time, or again from a new source, disputes or supersedes what contradicts it, and
brings back what was superseded (`aragora.knowledge.contradiction`). What was forgotten is not
learnt again, word for word; nor is anything that a forgotten debate said, or a person up to the time of forgetting.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import inf
from typing import Final

from aragora.errors import Conflict, NotFound
from aragora.knowledge.contradiction import Dispute, disputed_by_others, rivals_of, weighed
from aragora.knowledge.ledger import (
    Added,
    Change,
    Contradicted,
    Entry,
    Forgotten,
    Held,
    Linked,
    Restored,
    Reworded,
    Superseded,
    Supported,
    apply,
    marks_of,
)
from aragora.knowledge.model import KEPT, SEARCHED, Home, Item, Link, Source, SourceKind, Statement, Status
from aragora.knowledge.sameness import item_id_of, next_id, sameness

DISPUTED_BEFORE: Final = "somebody disputed it before"
"""The reason of a dispute that an item comes back with, where no other is known."""


@dataclass(frozen=True, slots=True)
class Addition:
    """A statement to keep, under the id that follows from it (`aragora.knowledge.sameness`). With `only_new` nothing is
    done where it is there already: then it supports nothing either."""

    added: Added
    only_new: bool = False


@dataclass(frozen=True, slots=True)
class Changing:
    """A change of an item that is there; `version` is the wording that the caller has seen, None whatever is there."""

    item_id: str
    change: Change
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Burial:
    """An item to forget, whether it is there or not: its id stays, so that it is not learnt again."""

    item_id: str
    certificate: str


Unit = Addition | Changing | Burial


def statement_of(unit: Unit) -> Statement | None:
    """What a unit would have an item say, if it says anything."""
    if isinstance(unit, Addition):
        return unit.added.statement
    change = unit.change if isinstance(unit, Changing) else None
    return change.statement if isinstance(change, Reworded) else None


def sources_said(unit: Unit) -> tuple[Source, ...]:
    """Whose word a unit would write; of an outcome, the debate's and the person's who told it."""
    if isinstance(unit, Addition):
        return unit.added.sources
    change = unit.change if isinstance(unit, Changing) else None
    if isinstance(change, Held):
        said = change.outcome
        return tuple(Source(SourceKind.PERSON, root, said.at) for root in dict.fromkeys((said.root, said.voice)))
    return (change.source,) if isinstance(change, Supported | Contradicted) else ()


class Effect(StrEnum):
    """What a unit did."""

    ADDED = "added"
    SUPPORTED = "supported"  # the statement was there; its sources grew
    CHANGED = "changed"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Planned:
    """What one unit did, and its item afterwards."""

    effect: Effect
    item: Item


@dataclass(slots=True)
class Plan:
    """The plan for one workspace whose newest ledger entry is `seq`.

    `known` are the items that units name, whose ids theirs would be, that say the same as one of them, or that are
    about the same thing. `barred` are the marks of sources that are not learnt from, each with the time up to which
    (`aragora.knowledge.ledger.marks_of`).
    """

    home: Home
    seq: int
    at: float
    known: Iterable[Item]
    barred: Mapping[str, float] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    touched: dict[str, Item] = field(default_factory=dict)
    new: set[str] = field(default_factory=set)
    _items: dict[str, Item] = field(init=False, default_factory=dict)
    _same: dict[str, str] = field(init=False, default_factory=dict)
    _about: dict[tuple[str, str], list[str]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for item in self.known:
            self._note(item)

    def take(self, units: Sequence[Unit]) -> list[Planned]:
        """Plan these units, in their order. Raises NotFound for an item that is not there, Conflict for one that is at
        another version; then nothing of the plan may be written."""
        return [self._take(unit) for unit in units]

    def _take(self, unit: Unit) -> Planned:
        if isinstance(unit, Addition):
            return self._add(unit)
        return self._bury(unit) if isinstance(unit, Burial) else self._change(unit)

    def _add(self, unit: Addition) -> Planned:
        added = replace(unit.added, sources=tuple(one for one in unit.added.sources if not self._bars(one)))
        item_id = self._same.get(sameness(added.statement)) or self._free(item_id_of(self.home, added.statement))
        before = self._items.get(item_id)
        if before is not None and unit.only_new:
            return Planned(Effect.NOTHING, before)
        if before is not None:
            if unit.added.sources and not added.sources:
                return Planned(Effect.NOTHING, before)
            for source in added.sources:
                self._enter(item_id, Supported(source))
            for link in added.links:
                self._enter(item_id, Linked(link))
            said = tuple(one for one in self._items[item_id].sources if one not in before.sources)
            if said and before.status in KEPT:
                self._weigh(item_id, said, new=False)
            after = self._items[item_id]
            return Planned(Effect.NOTHING if after == before else Effect.SUPPORTED, after)
        if unit.added.sources and not added.sources:
            return Planned(Effect.NOTHING, unheard(self.home, item_id, self.at))
        self._enter(item_id, added)
        self.new.add(item_id)
        if added.sources:
            self._weigh(item_id, added.sources, new=True)
        return Planned(Effect.ADDED, self._items[item_id])

    def _bars(self, source: Source) -> bool:
        """Whether the mound does not learn from this source any more."""
        return bool(self.barred) and any(source.at <= self.barred.get(mark, -inf) for mark in marks_of(source))

    def _bury(self, unit: Burial) -> Planned:
        before = self._items.get(unit.item_id)
        self._enter(unit.item_id, Forgotten(unit.certificate))
        if before is None:
            self.new.add(unit.item_id)
        after = self._items[unit.item_id]
        return Planned(Effect.NOTHING if after == before else Effect.CHANGED, after)

    def _free(self, item_id: str) -> str:
        """`item_id`, or the next one where its item was reworded and says something else by now."""
        taken = self._items.get(item_id)
        while taken is not None and taken.status is not Status.FORGOTTEN:
            item_id = next_id(item_id)
            taken = self._items.get(item_id)
        return item_id

    def _weigh(self, item_id: str, said: Sequence[Source], *, new: bool) -> None:
        """What new sources of an item do to it, and to the items that contradict it."""
        item = self._items[item_id]
        rivals = self._rivals(item)
        if not rivals and item.status is not Status.SUPERSEDED:
            return
        found = weighed(item, said, rivals, self._near(item), new=new)
        if found.upheld is None and new:
            self._enter(item_id, Superseded(found.overruled_by[0]))
        elif found.upheld is not None and item.status is Status.SUPERSEDED:
            self._restore(item_id, found.upheld.root)
        for old_id in found.superseded:
            self._enter(old_id, Superseded(item_id))
        for dispute in found.disputes:
            self._dispute(item_id, dispute)
        for holder, kind, to in found.links:
            self._enter(holder, Linked(Link(kind, to, self.at)))
        ended = {item_id: None} if found.superseded else {}
        ended |= {one.item_id: None for old_id in found.superseded for one in self._rivals(self._items[old_id])}
        for other in ended:
            if self._items[other].status is Status.DISPUTED:
                self._settle(other, said[0].root)

    def _near(self, item: Item) -> list[Item]:
        """All items that are about the same thing, itself among them."""
        return [self._items[one] for one in self._about.get((item.statement.subject, item.statement.relation), ())]

    def _rivals(self, item: Item) -> list[Item]:
        return rivals_of(item, self._near(item))

    def _dispute(self, item_id: str, dispute: Dispute) -> None:
        """Each of the two says that the other says otherwise."""
        other = dispute.item_id
        self._enter(other, Contradicted(dispute.ours, item_id, f"{item_id} says otherwise"))
        self._enter(item_id, Contradicted(dispute.theirs, other, f"{other} says otherwise"))

    def _settle(self, item_id: str, by: str) -> None:
        """End the dispute of an item, where no item that stands contradicts it and nobody else disputes it."""
        item = self._items[item_id]
        rivals = self._rivals(item)
        if not any(one.status in SEARCHED for one in rivals) and not disputed_by_others(item, rivals):
            self._enter(item_id, Restored(by))

    def _restore(self, item_id: str, by: str) -> None:
        """Bring a superseded item back; disputed where somebody disputed it directly."""
        item = self._items[item_id]
        reason = (item.reason or DISPUTED_BEFORE) if disputed_by_others(item, self._rivals(item)) else ""
        self._enter(item_id, Restored(by, reason))

    def _change(self, unit: Changing) -> Planned:
        before = self._items.get(unit.item_id)
        if before is None:
            raise unknown_item(unit.item_id)
        if unit.version is not None and unit.version != before.version:
            raise Conflict(
                f"the item {unit.item_id} is at version {before.version}, not {unit.version}: read it again",
                code="version_conflict",
            )
        if isinstance(unit.change, Reworded):
            same = self._same.get(sameness(unit.change.statement), unit.item_id)
            if same != unit.item_id:
                raise Conflict(f"the item {same} says that already: support or link that one", code="same_statement")
        if any(map(self._bars, sources_said(unit))):
            return Planned(Effect.NOTHING, before)
        self._enter(unit.item_id, unit.change)
        after = self._items[unit.item_id]
        return Planned(Effect.NOTHING if after == before else Effect.CHANGED, after)

    def _enter(self, item_id: str, change: Change) -> None:
        """Add an entry, unless it says nothing new."""
        entry = Entry(self.home.org_id, self.home.workspace, self.seq + 1, item_id, change, self.at)
        before = self._items.get(item_id)
        after = apply(before, entry)
        if after is None or after is before:
            return
        self.seq += 1
        self.entries.append(entry)
        self.touched[item_id] = after
        self._note(after)

    def _note(self, item: Item) -> None:
        before = self._items.get(item.item_id)
        self._items[item.item_id] = item
        statement = item.statement
        if before is not None and before.statement == statement:
            return
        if before is not None:
            self._same.pop(sameness(before.statement), None)
        if not statement.content:  # forgotten
            return
        self._same[sameness(statement)] = item.item_id
        if statement.subject:
            about = self._about.setdefault((statement.subject, statement.relation), [])
            if item.item_id not in about:
                about.append(item.item_id)


def unheard(home: Home, item_id: str, at: float) -> Item:
    """What stands for an item that is not learnt: one that is forgotten. It is not written."""
    item = apply(None, Entry(home.org_id, home.workspace, 0, item_id, Forgotten(""), at))
    assert item is not None, "forgetting always makes one"
    return item


def unknown_item(item_id: str) -> NotFound:
    """The one answer for an item that there is not, and for one that the caller may not see."""
    return NotFound(f"there is no item {item_id}: check the id and the workspace", code="item_not_found")
