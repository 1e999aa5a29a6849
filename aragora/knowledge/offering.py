"""What the opening of a debate is offered from the mound. Pure; who asks is `aragora.knowledge.source`.

At most eight items in 4,000 characters (`aragora.debate.knowledge`). A decision never comes without its strongest
dissent, and half of the places are kept for what is not a decision, so that a debate is not only told how others
decided. Where nothing is relevant, nothing is offered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from aragora.debate.knowledge import ITEM_MAX_CHARS, OfferedItem, digest_of, fitted
from aragora.knowledge.confidence import confidence_of, in_words
from aragora.knowledge.model import Item, ItemKind, Source, Status
from aragora.knowledge.mound.adapters.consensus import QUESTION, is_question, subject_of

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
DISSENT_CHARS: Final = 200


def offered(question: str, found: Sequence[Item], dissents: Mapping[str, Sequence[Item]]) -> tuple[OfferedItem, ...]:
    """The offer for a question, of the items that a search found, the best first; `dissents` by the decision's id."""
    same = subject_of(question)
    precedents = [item for item in found if item.statement.subject == same]  # of this very question: first
    others = [item for item in found if item.statement.subject != same]
    chosen: list[OfferedItem] = []
    decisions = 0
    for item in (*precedents, *others):
        if item.statement.kind is ItemKind.DECISION:
            if decisions == DECISIONS_MAX:
                continue
            decisions += 1
        chosen.append(_item(item, dissents.get(item.item_id, ())))
    return fitted(chosen)


def _item(item: Item, dissents: Sequence[Item]) -> OfferedItem:
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
