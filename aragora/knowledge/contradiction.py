"""When statements contradict each other, and what a word that comes does to those that are there. Pure.

Only statements about the same subject and relation can contradict each other, where both hold at some common time and
give different values. Likeness of words never decides it: "3 replicas" and "30 replicas" are as alike as paraphrases.

Rules
- A source is *overruled* by one of a contradicting item that had been shown it: whoever said that knew it, and decided
  otherwise. So words follow each other by what they had been shown, whenever the mound learns of them.
- An item *stands* while one of its sources is not overruled. One that does not is superseded.
- Items that contradict each other and all stand are disputed.
- A new source brings a superseded item back, unless it is overruled itself.
So an item is superseded, disputed or live by what its sources had been shown, not by the order in which they came.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from aragora.knowledge.confidence import confidence_of
from aragora.knowledge.model import KEPT, SEARCHED, Item, LinkKind, Source, Statement, Status

DISPUTED: Final = 8
"""Items that one disputes at most, those among them that it is only linked to. Each is written anew with it."""

LINKED: Final = 8
"""Items superseded before that a word is linked to at most, and as many that supersede it."""


@dataclass(frozen=True, slots=True)
class Dispute:
    """`item_id` says otherwise: `ours` and `theirs` are two sources that did not know of each other."""

    item_id: str
    ours: Source
    theirs: Source


@dataclass(frozen=True, slots=True)
class Weighed:
    """What new sources of an item do.

    Attributes:
        upheld: the first of them that nothing overrules; None where all are overruled.
        overruled_by: the items that overrule one of them.
        superseded: the items that stand no more.
        links: from an item to another, with the kind.
        disputes: standing items that the item disputes where it comes to stand, or is not linked to yet.
    """

    upheld: Source | None
    overruled_by: tuple[str, ...]
    superseded: tuple[str, ...]
    links: tuple[tuple[str, LinkKind, str], ...]
    disputes: tuple[Dispute, ...]


def contradict(one: Statement, other: Statement) -> bool:
    """Whether the two cannot both be so."""
    if one.kind is not other.kind or not one.subject or (one.subject, one.relation) != (other.subject, other.relation):
        return False
    return one.value != other.value and _meet(one, other)


def rivals_of(item: Item, others: Iterable[Item]) -> list[Item]:
    """Those of `others` that contradict the item, superseded ones among them. What waits for a person, or is forgotten,
    contradicts nothing."""
    return [
        one
        for one in others
        if one.item_id != item.item_id and one.status in KEPT and contradict(item.statement, one.statement)
    ]


def overrules(later: Source, earlier: Source) -> bool:
    """Whether whoever said `later` had been shown `earlier`. Two that name each other, which only a file can claim,
    overrule nothing."""
    return earlier.root in later.exposed and later.root not in earlier.exposed and later.root != earlier.root


def first_standing(sources: Sequence[Source], rivals: Iterable[Item]) -> Source | None:
    """The first of an item's sources that no source of its rivals overrules."""
    left = list(sources)
    for rival in rivals:
        for said in rival.sources:
            left = [one for one in left if not overrules(said, one)]
        if not left:
            return None
    return left[0]


def weighed(item: Item, said: Sequence[Source], rivals: Sequence[Item], among: Iterable[Item], *, new: bool) -> Weighed:
    """What `said`, new sources of `item`, do to it and its `rivals`. `among` are all items about the same thing; `new`
    tells whether the item comes with these sources."""
    others = list(among)
    known = [one for one in rivals if _overruled(one, said)]
    superseded = [
        one.item_id
        for one in known
        if one.status in SEARCHED and first_standing(one.sources, rivals_of(one, others)) is None
    ]
    before = [one for one in known if one.item_id not in superseded]
    overruled_by = [one for one in rivals if any(overrules(theirs, ours) for theirs in one.sources for ours in said)]
    upheld = first_standing(said, rivals)
    comes = new or item.status is Status.SUPERSEDED  # to stand, where anything upholds it
    stands = upheld is not None or not comes
    standing = {one.item_id for one in rivals if stands and one.status in SEARCHED and one.item_id not in superseded}
    disputes, beside = _disputes(item, said, rivals, standing, begins=comes)
    links = [(item.item_id, LinkKind.SUPERSEDES, to) for to in (*superseded, *_newest(before))]
    links += [(by, LinkKind.SUPERSEDES, item.item_id) for by in _newest(overruled_by)]
    for other in (*(one.item_id for one in disputes), *beside):
        links += [(other, LinkKind.CONTRADICTS, item.item_id), (item.item_id, LinkKind.CONTRADICTS, other)]
    return Weighed(upheld, tuple(one.item_id for one in overruled_by), tuple(superseded), tuple(links), tuple(disputes))


def disputed_by_others(item: Item, rivals: Iterable[Item]) -> bool:
    """Whether anything but the word of its rivals is held against the item: what a person says to it directly."""
    theirs = {source.root for rival in rivals for source in rival.sources}
    return any(source.root not in theirs for source in item.against)


def _disputes(
    item: Item, said: Sequence[Source], rivals: Sequence[Item], standing: Collection[str], *, begins: bool
) -> tuple[list[Dispute], list[str]]:
    """Of those with a source that these sources did not know, nor it them: the ones that are to be disputed, of those
    that stand beside the item, and others that are only linked to. `begins`: the item did not stand before. Those that
    are most relied on come first, the newest first among equals. A question that is debated anew each day has many."""
    linked = {link.item_id for link in item.links if link.kind is LinkKind.CONTRADICTS}
    disputed: list[Item] = []
    beside: list[Item] = []
    pairs: dict[str, Dispute] = {}
    for one in rivals:
        pair = _strangers(one, said)
        if pair is None:
            continue
        pairs[one.item_id] = pair
        disputes = one.item_id in standing and (begins or one.item_id not in linked)
        (disputed if disputes else beside).append(one)
    named = _relied_on(disputed)[:DISPUTED]
    others = [one.item_id for one in _relied_on(beside) if one.item_id not in linked]
    return [pairs[one.item_id] for one in named], others[: DISPUTED - len(named)]


def _strangers(rival: Item, said: Iterable[Source]) -> Dispute | None:
    """The first two sources of which neither overrules the other."""
    for ours in said:
        for theirs in rival.sources:
            if not overrules(ours, theirs) and not overrules(theirs, ours):
                return Dispute(rival.item_id, ours, theirs)
    return None


def _overruled(rival: Item, said: Iterable[Source]) -> bool:
    return any(overrules(ours, theirs) for ours in said for theirs in rival.sources)


def _relied_on(items: Iterable[Item]) -> list[Item]:
    return sorted(items, key=lambda one: (-confidence_of(one).value, -one.recorded_at, one.item_id))


def _newest(items: Iterable[Item]) -> list[str]:
    found = sorted(items, key=lambda one: (-one.recorded_at, one.item_id))
    return [one.item_id for one in found[:LINKED]]


def _meet(one: Statement, other: Statement) -> bool:
    """Whether both hold at some common time."""
    return _begins_before_end(one, other) and _begins_before_end(other, one)


def _begins_before_end(one: Statement, other: Statement) -> bool:
    return one.valid_from is None or other.valid_to is None or one.valid_from < other.valid_to
