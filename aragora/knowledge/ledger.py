"""The ledger of the Knowledge Mound: what happened to items, and the fold from it to an item as it stands. Pure.

Each change is a row of its workspace's ledger, in order, and is never altered; the columns of an item are the fold of
its changes. The content of a wording is kept apart from the ledger, which names its digest: so forgetting removes the
content, and the ledger still tells that there was something.

States and what moves them
    Added        -> live, or quarantined where the text needs a person first
    Supported    one more source says the same              no change of state
    Contradicted a source says otherwise                    live -> disputed
    Resolved     a person, or an outcome, settled it        disputed, quarantined -> live
    Superseded   another item takes its place               live, disputed -> superseded
    Restored     it is said again, or is contradicted no    superseded, disputed -> live; or disputed, where a person
                 more                                       or an outcome says that it is not so
    Quarantined  a person must look                         live, disputed -> quarantined
    Reworded     a new version of the statement; where it says something else, no outcome is about it any more
    Linked       to another item                            no change of state
    Held         whether it held, as was seen later         all held: disputed -> live; one did not: live -> disputed
    Shared       who may find it                            no change of state
    Withdrawn    a source is forgotten, others remain       disputed by that source alone -> live
    Forgotten    on request or by retention                 any -> forgotten, which is final
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

from aragora.knowledge.model import (
    Basis,
    Bearing,
    Item,
    ItemKind,
    Link,
    Outcome,
    Source,
    Statement,
    Status,
    Visibility,
    debate_root,
    person_root,
    with_link,
)
from aragora.knowledge.roots import voices

SOURCES_MAX: Final = 100  # for an item, and against it
MARK: Final = "withdrawn:"
NOT_HELD: Final = "an outcome says that it did not hold"
"""The reason of a dispute that an outcome made."""


@dataclass(frozen=True, slots=True)
class Added:
    """A new item; `base` is the confidence that its first source earns (`aragora.knowledge.confidence`)."""

    statement: Statement
    sources: tuple[Source, ...]
    base: float
    basis: Basis
    visibility: Visibility = Visibility.WORKSPACE
    links: tuple[Link, ...] = ()
    quarantined: str = ""  # why a person must look first


@dataclass(frozen=True, slots=True)
class Supported:
    source: Source


@dataclass(frozen=True, slots=True)
class Contradicted:
    """`by` is the item that says otherwise."""

    source: Source
    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Resolved:
    """`by` names the person."""

    by: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Superseded:
    """`by` is the item that takes its place."""

    by: str


@dataclass(frozen=True, slots=True)
class Restored:
    """`by` is the root that says it again, or says what ends the dispute; `reason` is why it is disputed all the same,
    empty where it is not."""

    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Quarantined:
    reason: str


@dataclass(frozen=True, slots=True)
class Reworded:
    statement: Statement
    by: str


@dataclass(frozen=True, slots=True)
class Linked:
    link: Link


@dataclass(frozen=True, slots=True)
class Held:
    """`note` is what a person says to it."""

    outcome: Outcome
    note: str = ""


@dataclass(frozen=True, slots=True)
class Shared:
    visibility: Visibility
    by: str


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """`mark` is that of the root whose word is taken out (`mark_of`)."""

    mark: str


@dataclass(frozen=True, slots=True)
class Forgotten:
    """`certificate` is the id under which it is proven."""

    certificate: str


Change = (
    Added
    | Supported
    | Contradicted
    | Resolved
    | Superseded
    | Restored
    | Quarantined
    | Reworded
    | Linked
    | Held
    | Shared
    | Withdrawn
    | Forgotten
)

NAMES: Final[dict[type, str]] = {
    Added: "added",
    Supported: "supported",
    Contradicted: "contradicted",
    Resolved: "resolved",
    Superseded: "superseded",
    Restored: "restored",
    Quarantined: "quarantined",
    Reworded: "reworded",
    Linked: "linked",
    Held: "held",
    Shared: "shared",
    Withdrawn: "withdrawn",
    Forgotten: "forgotten",
}
"""How rows call each change: a name never changes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the ledger. `seq` counts the changes of the workspace, from 1."""

    org_id: str
    workspace: str
    seq: int
    item_id: str
    change: Change
    at: float


def fold(entries: Iterable[Entry]) -> dict[str, Item]:
    """The items that these entries, in order, make. Entries of an item whose beginning is missing change nothing."""
    items: dict[str, Item] = {}
    for entry in entries:
        after = apply(items.get(entry.item_id), entry)
        if after is not None:
            items[entry.item_id] = after
    return items


def wordings(entries: Iterable[Entry]) -> list[tuple[Statement, float, str | None]]:
    """What one item has said, oldest first, each with when and by whom it was reworded; None: as it was added."""
    found: list[tuple[Statement, float, str | None]] = []
    for entry in entries:
        match entry.change:
            case Added(statement):
                found.append((statement, entry.at, None))
            case Reworded(statement, by):
                found.append((statement, entry.at, by))
            case _:
                continue
    return found


def apply(item: Item | None, entry: Entry) -> Item | None:
    """The item after one entry; the same one where the entry says nothing new of it."""
    change, at = entry.change, entry.at
    if item is None:
        return _first(entry, change)
    if item.status is Status.FORGOTTEN:  # nothing brings it back
        return item
    after = _emptied(item) if isinstance(change, Forgotten) else _changed(item, change, at)
    return item if after == item else replace(after, changed_at=at)


def _first(entry: Entry, change: Change) -> Item | None:
    """What the first entry of an item makes. One that is forgotten without having been there is known by its id alone:
    so it cannot be learnt after the store was restored from before it was."""
    if isinstance(change, Added):
        return _begun(entry, change)
    if isinstance(change, Forgotten):
        nothing = Added(Statement(ItemKind.NOTE, ""), (), 0.0, Basis.DECLARED)
        return _emptied(_begun(entry, nothing))
    return None


def _begun(entry: Entry, added: Added) -> Item:
    return Item(
        item_id=entry.item_id,
        org_id=entry.org_id,
        workspace=entry.workspace,
        statement=added.statement,
        status=Status.QUARANTINED if added.quarantined else Status.LIVE,
        visibility=added.visibility,
        base=added.base,
        basis=added.basis,
        sources=added.sources,
        recorded_at=entry.at,
        changed_at=entry.at,
        links=added.links,
        reason=added.quarantined,
    )


def _changed(item: Item, change: Change, at: float) -> Item:
    match change:
        case Supported(source):
            return replace(item, sources=_heard(item, source))
        case Reworded(statement) if statement != item.statement:
            after = replace(item, statement=statement, version=item.version + 1)
            return after if _said(statement) == _said(item.statement) else _unseen(after)
        case Linked(link):
            return with_link(item, link)
        case Shared(visibility):
            return replace(item, visibility=visibility)
        case Withdrawn(mark):
            return _without(item, mark)
        case _:
            return _judged(item, change, at)


def _judged(item: Item, change: Change, at: float) -> Item:
    """After a change that says how far the item may be relied on; any other changes nothing."""
    match change:
        case Contradicted(source, _, reason):
            disputed = replace(item, against=with_source(item.against, source))
            return _moved(disputed, {Status.LIVE}, Status.DISPUTED, reason)
        case Resolved():
            return _moved(item, {Status.DISPUTED, Status.QUARANTINED}, Status.LIVE, "")
        case Superseded() | Restored():
            return _placed(item, change, at)
        case Quarantined(reason):
            return _moved(item, {Status.LIVE, Status.DISPUTED}, Status.QUARANTINED, reason)
        case Held(outcome, _):
            return _seen(item, outcome)
        case _:
            return item


def _heard(item: Item, source: Source) -> tuple[Source, ...]:
    """The sources of an item with one more. One that is superseded and full gives up its second, the oldest but for the
    one that it began with: else nobody could bring it back."""
    sources = with_source(item.sources, source)
    if item.status is not Status.SUPERSEDED or source.root in {one.root for one in sources}:
        return sources
    return (sources[0], *sources[2:], source)


def _moved(item: Item, before: set[Status], after: Status, reason: str) -> Item:
    return replace(item, status=after, reason=reason) if item.status in before else item


def _placed(item: Item, change: Superseded | Restored, at: float) -> Item:
    """The item whose place another one takes, or that stands again."""
    if isinstance(change, Superseded):
        after = _moved(item, {Status.LIVE, Status.DISPUTED}, Status.SUPERSEDED, item.reason)
        return after if after.status is item.status else replace(after, superseded_at=at)
    if item.status not in {Status.SUPERSEDED, Status.DISPUTED}:
        return item
    why = change.reason or ("" if _all_held(item) else NOT_HELD)
    return replace(item, status=Status.DISPUTED if why else Status.LIVE, reason=why, superseded_at=None)


def _seen(item: Item, outcome: Outcome) -> Item:
    """With an outcome. What follows depends on what counts before and then, not on the order of outcomes; a dispute
    that somebody has settled comes back with the next word that it did not hold."""
    known = next((one for one in item.outcomes if one.root == outcome.root), None)
    if known is not None and (known == outcome or known.version > outcome.version):
        return item
    seen = replace(item, outcomes=(*(one for one in item.outcomes if one.root != outcome.root), outcome))
    before, after = voices(item.outcomes, Bearing.ITEM), voices(seen.outcomes, Bearing.ITEM)
    if not after:
        return _undisputed(seen)
    if all(after.values()):
        return _moved(seen, {Status.DISPUTED}, Status.LIVE, "")
    again = outcome.bears is Bearing.ITEM and not outcome.held
    return _moved(seen, {Status.LIVE}, Status.DISPUTED, NOT_HELD) if again or all(before.values()) else seen


def _unseen(item: Item) -> Item:
    """Without any outcome."""
    return _undisputed(replace(item, outcomes=()))


def _undisputed(item: Item) -> Item:
    """The item, live where nothing but an outcome that counts no more disputed it."""
    disputed = item.against or not _all_held(item)
    return item if disputed or item.reason != NOT_HELD else _moved(item, {Status.DISPUTED}, Status.LIVE, "")


def _all_held(item: Item) -> bool:
    """Whether no outcome that counts says that the item did not hold."""
    return all(voices(item.outcomes, Bearing.ITEM).values())


def _said(statement: Statement) -> Statement:
    """What a statement says, without where it belongs."""
    return replace(statement, domain="", topics=())


def _without(item: Item, mark: str) -> Item:
    """The item without what a root said. Nothing said against it any more settles a dispute that no outcome made."""
    sources = tuple(one for one in item.sources if mark_of(one.root) != mark)
    against = tuple(one for one in item.against if mark_of(one.root) != mark)
    outcomes = tuple(one for one in item.outcomes if mark not in {mark_of(one.root), mark_of(one.voice)})
    after = replace(item, sources=sources, against=against, outcomes=outcomes)
    if _all_held(item) and not _all_held(after):  # whoever said so later is not heard any more
        return _moved(after, {Status.LIVE}, Status.DISPUTED, NOT_HELD)
    settled = item.against and not against and _all_held(after)
    return _moved(after, {Status.DISPUTED}, Status.LIVE, "") if settled else _undisputed(after)


def _emptied(item: Item) -> Item:
    """What remains of a forgotten item: that there was one, of which kind, and when."""
    return replace(
        item,
        statement=Statement(kind=item.statement.kind, content=""),
        status=Status.FORGOTTEN,
        sources=(),
        against=(),
        links=(),
        outcomes=(),
        reason="",
    )


def mark_of(root: str) -> str:
    """What a root is known by once its word was taken out; the mark of a mark is itself."""
    return root if root.startswith(MARK) else f"{MARK}{sha256(root.encode()).hexdigest()[:32]}"


def marks_of(source: Source) -> frozenset[str]:
    """The marks under which a source can be forgotten: its root's, its debate's, its person's."""
    named = [source.root]
    named += [] if source.debate_id is None else [debate_root(source.debate_id)]
    named += [] if source.person is None else [person_root(source.person)]
    return frozenset(map(mark_of, named))


def redacted(change: Change, marks: frozenset[str]) -> Change:
    """A change as the ledger keeps it once these roots were withdrawn: it says no more of their sources than the mark.
    The fold of the ledger stays what it is."""
    match change:
        case Added():
            return replace(change, sources=tuple(_unnamed(one, marks) for one in change.sources))
        case Supported(source):
            return Supported(_unnamed(source, marks))
        case Contradicted(source, by, reason):
            return Contradicted(_unnamed(source, marks), by, reason)
        case Restored(by, reason) if mark_of(by) in marks:
            return Restored(mark_of(by), reason)
        case Held(outcome) if marks & {mark_of(outcome.root), mark_of(outcome.voice)}:
            return Held(_unsigned(outcome, marks))
        case _:
            return change


def _unnamed(source: Source, marks: frozenset[str]) -> Source:
    mark = mark_of(source.root)
    return Source(source.kind, mark, source.at) if mark in marks else source


def _unsigned(outcome: Outcome, marks: frozenset[str]) -> Outcome:
    """The outcome under the mark that withdrew it."""
    root = mark_of(outcome.root)
    if root in marks:
        return replace(outcome, root=root, by="")
    return replace(outcome, by=mark_of(outcome.by))


def with_source(sources: tuple[Source, ...], source: Source) -> tuple[Source, ...]:
    """With one source more. A root says it once: its first word stays, and what it was shown is joined to that. Beyond
    `SOURCES_MAX` roots nothing is added: one more would change no confidence."""
    for place, known in enumerate(sources):
        if known.root == source.root:
            exposed = tuple(sorted({*known.exposed, *source.exposed}))
            return (*sources[:place], replace(known, exposed=exposed), *sources[place + 1 :])
    return sources if len(sources) >= SOURCES_MAX else (*sources, source)
