"""Why an item is believed as far as it is: each change of its ledger, with the confidence before and after. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aragora.knowledge.confidence import confidence_of
from aragora.knowledge.ledger import (
    NAMES,
    Added,
    Change,
    Contradicted,
    Entry,
    Held,
    Linked,
    Quarantined,
    Resolved,
    Restored,
    Reworded,
    Shared,
    Superseded,
    Supported,
    apply,
)
from aragora.knowledge.model import Bearing, Confidence, Item, Outcome, Status


@dataclass(frozen=True, slots=True)
class Step:
    """One change: `by` names the root, the person or the item it came from, `note` what was said to it. `before` is
    None at the beginning."""

    seq: int
    at: float
    change: str
    by: str
    note: str
    status: Status
    before: Confidence | None
    after: Confidence

    @property
    def moved(self) -> float:
        """By how much it raised the confidence, or lowered it."""
        return 0.0 if self.before is None else self.after.value - self.before.value


def steps(entries: Iterable[Entry]) -> list[Step]:
    """The changes of one item, oldest first. Those before its beginning, which is lost, tell nothing."""
    told: list[Step] = []
    item: Item | None = None
    for entry in entries:
        before = item
        item = apply(item, entry)
        if item is None:
            continue
        by, note = _told(entry.change)
        known = None if before is None else confidence_of(before)
        name = NAMES[type(entry.change)]
        told.append(Step(entry.seq, entry.at, name, by, note, item.status, known, confidence_of(item)))
    return told


def trusted(entries: Iterable[Entry]) -> dict[int, Confidence]:
    """By the number of each wording of one item, how far that was trusted in the end."""
    found: dict[int, Confidence] = {}
    item: Item | None = None
    for entry in entries:
        item = apply(item, entry)
        if item is not None:
            found[item.version] = confidence_of(item)
    return found


def _seen(outcome: Outcome) -> str:
    if outcome.bears is Bearing.NOTHING:
        return "what came of the debate says nothing of this"
    what = "it" if outcome.bears is Bearing.ITEM else "an answer that rests on it"
    return f"{what} held" if outcome.held else f"{what} did not hold"


def _told(change: Change) -> tuple[str, str]:
    """Who or what a change came from, and what was said to it."""
    match change:
        case Added(_, sources):
            return sources[0].root if sources else "", change.quarantined
        case Contradicted(source, by, reason):
            return by or source.root, reason
        case Held(outcome, note):
            return outcome.root, note or _seen(outcome)
        case Linked(link):
            return link.item_id, link.kind
        case _:
            return _briefly(change)


def _briefly(change: Change) -> tuple[str, str]:
    match change:
        case Supported(source):
            return source.root, ""
        case Resolved(by, note) | Restored(by, note):
            return by, note
        case Shared(visibility, by):
            return by, visibility
        case Reworded() | Superseded():
            return change.by, ""
        case _:
            return "", change.reason if isinstance(change, Quarantined) else ""
