"""What the opening of a debate is offered from the mound. Pure; who asks is `aragora.knowledge.source`.

At most eight items in 4,000 characters (`aragora.debate.knowledge`). A decision never comes without its strongest
dissent, and half of the places are kept for what is not a decision, so that a debate is not only told how others
decided. Where nothing is relevant, nothing is offered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from aragora.debate.knowledge import ITEM_MAX_CHARS, OfferedItem, digest_of, fitted
from aragora.knowledge.condensing import is_summary, made_of
from aragora.knowledge.confidence import confidence_of, in_words
from aragora.knowledge.model import Item, ItemKind, Source, Status
from aragora.knowledge.mound.adapters.consensus import QUESTION, is_question, subject_of
from aragora.knowledge.mound.adapters.continuum import Memory, remembered

OFFERED: Final = (
    ItemKind.DECISION,
    ItemKind.OPEN_QUESTION,
    ItemKind.EVIDENCE,
    ItemKind.FACT,
    ItemKind.BELIEF,
    ItemKind.INSIGHT,
    ItemKind.SUMMARY,
    ItemKind.NOTE,
)
"""The kinds that stand for themselves; a dissent comes beside its decision."""

DECISIONS_MAX: Final = 4
COVERED_MIN: Final = 3
"""Hits in whose place a summary is taken."""
DISSENT_CHARS: Final = 200


def offered(
    question: str,
    hits: Sequence[Item],
    dissents: Mapping[str, Sequence[Item]],
    summaries: Sequence[Item] = (),
    memories: Mapping[str, Memory] = MappingProxyType({}),
) -> tuple[OfferedItem, ...]:
    """The offer for a question, of the items that a search found, the best first; `dissents` by the decision's id,
    `summaries` those that were made of some of the hits: one stands in place of the items of the offer that it was made
    of, which is then as much shorter. What is remembered for longer (`memories`, by the item's id) comes a little
    earlier."""
    found = remembered([item for item in hits if not is_summary(item)], memories)
    same = subject_of(question)
    precedents = [item for item in found if item.statement.subject == same]  # of this very question: first
    others = [item for item in found if item.statement.subject != same]
    chosen: dict[str, Item] = {}
    decisions = 0
    for item in (*precedents, *others):
        if item.statement.kind is ItemKind.DECISION:
            if decisions == DECISIONS_MAX:
                continue
            decisions += 1
        chosen[item.item_id] = item

    def told(items: Iterable[Item]) -> tuple[OfferedItem, ...]:
        return fitted(
            _item(item, dissents.get(item.item_id, ()), memories.get(item.item_id, Memory())) for item in items
        )

    plain = told(chosen.values())
    taken = shortened([chosen[one.item_id] for one in plain], [*summaries, *filter(is_summary, hits)])
    return told(taken)


def shortened(items: Sequence[Item], summaries: Sequence[Item]) -> list[Item]:
    """The items, with a summary in place of the `COVERED_MIN` or more that it was made of, where it is shorter than
    these together; the one that covers most first."""
    left = {item.item_id: item for item in items}
    order = {item_id: place for place, item_id in enumerate(left)}
    standing = {one.item_id: one for one in summaries if one.status is Status.LIVE}
    placed: list[tuple[int, Item]] = []
    while standing:
        covered = {key: [one for one in made_of(item) if one in left] for key, item in standing.items()}
        best = max(covered, key=lambda key: (len(covered[key]), key))
        if len(covered[best]) < COVERED_MIN:
            break
        summary = standing.pop(best)
        if _size(summary) < sum(_size(left[one]) for one in covered[best]):
            placed.append((min(order[one] for one in covered[best]), summary))
            for one in covered[best]:
                del left[one]
    placed += [(order[key], item) for key, item in left.items()]
    return [item for _, item in sorted(placed, key=lambda one: one[0])]


def _size(item: Item) -> int:
    return min(len(item.statement.content), ITEM_MAX_CHARS)


def _item(item: Item, dissents: Sequence[Item], memory: Memory) -> OfferedItem:
    strongest = max(dissents, key=lambda one: (confidence_of(one).value, one.item_id), default=None)
    dissent = "" if strongest is None else _shortened(_last_line(strongest.statement.content), DISSENT_CHARS)
    text = _shortened(item.statement.content, ITEM_MAX_CHARS - len(dissent))
    trust, source = confidence_of(item), _newest(item)
    subject = item.statement.subject
    decided = item.statement.kind is ItemKind.DECISION and is_question(subject)
    return OfferedItem(
        label="",
        item_id=item.item_id,
        version=item.version,
        digest=digest_of(text),
        kind=item.statement.kind,
        text=text,
        confidence=trust.value,
        confidence_words=in_words(trust.value),
        at=source.at if source is not None else item.recorded_at,
        disputed=item.status is Status.DISPUTED,
        source_debate_id=(source.debate_id or "") if source is not None else "",
        source_receipt_id=(source.receipt_id or "") if source is not None else "",
        source_receipt_hash=(source.receipt_hash or "") if source is not None else "",
        roots=trust.support,
        dissent=dissent,
        question_digest=subject.removeprefix(QUESTION) if decided else "",
        position=item.statement.value[:200] if decided else "",
        uses=memory.uses,
    )


def _newest(item: Item) -> Source | None:
    return max(item.sources, key=lambda one: one.at, default=None)


def _last_line(text: str) -> str:
    """What a dissent says, without the question before it."""
    return text.rpartition("\n")[2]


def _shortened(text: str, chars: int) -> str:
    """`text` in at most so many characters; what was left out is told."""
    text = text.strip()
    return text if len(text) <= chars else f"{text[: chars - 2].rstrip()} \N{HORIZONTAL ELLIPSIS}"
