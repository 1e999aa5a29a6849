"""What the outcome of a debate says of the items that the debate gave. Pure.

Rules
- The decision held where it is the answer that held. Where a person had put their own words in its place and says
  themself that they held, that says nothing: nobody confirms their own word.
- A dissent held where the answer that it is for did.
- Evidence is not judged by an outcome: a right answer may rest on wrong evidence. An answer that held and rests on it
  counts for it as one root more, one that did not as one less.
- Other items of the debate, and what only claims to come from it, are left as they are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from aragora.knowledge.ledger import Held
from aragora.knowledge.model import (
    Bearing,
    Item,
    ItemKind,
    LinkKind,
    Source,
    SourceKind,
    Statement,
    debate_root,
    person_root,
)
from aragora.knowledge.model import Outcome as Seen
from aragora.knowledge.mound.adapters.consensus import FOR, QUESTION_CHARS, subject_of
from aragora.knowledge.outcomes import Outcome
from aragora.knowledge.planning import Changing

_JUDGED: Final = frozenset({ItemKind.DECISION, ItemKind.DISSENT, ItemKind.EVIDENCE})


def judged(outcome: Outcome, items: Iterable[Item]) -> list[Changing]:
    """What to write of `items`, all those that have the debate among their sources, once its newest outcome is that."""
    of_debate = [(item, source) for item in items if (source := _word_of(item, outcome.debate_id)) is not None]
    decisions = {item.item_id for item, _ in of_debate if item.statement.kind is ItemKind.DECISION}
    return [
        Changing(item.item_id, Held(_seen(outcome, *_bearing(outcome, item, source, decisions))))
        for item, source in of_debate
        if item.statement.kind in _JUDGED
    ]


def _word_of(item: Item, debate_id: str) -> Source | None:
    """What the debate itself says of the item: a file may claim anything of where its lines come from."""
    root = debate_root(debate_id)
    return next((one for one in item.sources if one.kind is SourceKind.DEBATE and one.root == root), None)


def _seen(outcome: Outcome, bears: Bearing, held: bool) -> Seen:
    root, by = debate_root(outcome.debate_id), person_root(outcome.by)
    return Seen(root, held, outcome.recorded_at, outcome.version, by, bears)


def _bearing(outcome: Outcome, item: Item, source: Source, decisions: Collection[str]) -> tuple[Bearing, bool]:
    kind = item.statement.kind
    if kind is ItemKind.DECISION:
        own = outcome.own_words and outcome.decision_right
        return (Bearing.NOTHING if own else Bearing.ITEM), outcome.decision_right
    if kind is ItemKind.DISSENT:
        said = said_by(item.statement)
        right = () if outcome.right is None else (outcome.right, *outcome.agents)
        return (Bearing.ITEM if said else Bearing.NOTHING), any(said.startswith(f"{name}: ") for name in right)
    if outcome.right is not None and not outcome.agents:  # a person's words, that rest on nothing we know
        return Bearing.NOTHING, False
    stood = any(one.kind is LinkKind.SUPPORTS and one.item_id in decisions for one in item.links)
    return Bearing.ANSWER, source.agent in outcome.agents or (stood and outcome.decision_right)


def said_by(dissent: Statement) -> str:
    """What a dissent says, without the question before it: the answer that it is for, a colon, and why
    (`aragora.knowledge.mound.adapters.consensus`); empty where it cannot be told from the question."""
    question, mark, rest = dissent.content.partition(f"\n{FOR}")
    while mark and not _is_question(question, dissent.subject):  # a question may hold such words, too
        more, mark, after = rest.partition(f"\n{FOR}")
        question, rest = f"{question}\n{FOR}{more}", after
    return rest if mark else ""


def _is_question(text: str, subject: str) -> bool:
    return len(text) == QUESTION_CHARS or subject == subject_of(text)
