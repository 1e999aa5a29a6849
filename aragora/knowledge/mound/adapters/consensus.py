"""The consensus adapter: what a debate settled, who dissented, and what it left open. Pure.

In:  a decision that was reached becomes an item of kind `decision`, each dissent one that dissents from it; a debate
     that reached none becomes an `open_question`. Two decisions of one question that differ contradict each other.
Out: the precedents of a question, each with its strongest dissent (`aragora.knowledge.offering`).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from aragora.debate.knowledge import question_digest
from aragora.debate.machine.convergence import conclusion
from aragora.debate.model import Decision, Dissent
from aragora.knowledge.confidence import first_confidence
from aragora.knowledge.ledger import Added
from aragora.knowledge.model import Basis, ItemKind, Link, LinkKind, SourceKind, Statement
from aragora.knowledge.planning import Addition
from aragora.knowledge.sameness import item_id_of
from aragora.knowledge.taught import TaughtDebate

NAME: Final = "consensus"

DECIDED: Final = "decided"
"""The relation between a question and what was decided."""

QUESTION: Final = "question:"
"""How the subject of a decision begins; the digest of the question follows."""

FOR: Final = "Dissent, for "
"""How a dissent begins; the answer that it is for follows, a colon, and why."""

QUESTION_CHARS: Final = 1_000
ANSWER_CHARS: Final = 4_000
VALUE_CHARS: Final = 400

_OF_QUESTION: Final = re.compile(f"{QUESTION}[0-9a-f]{{64}}")


def gather(taught: TaughtDebate) -> tuple[Addition, ...]:
    """The items that a debate gives; none where nobody decided anything."""
    found = taught.decision
    if found is None:
        return ()
    seq, decision = found
    statement = decided(taught)
    if statement is None:
        return (_open_question(taught, seq, decision),)
    source = taught.source(seq, stated_confidence=decision.confidence)
    base = first_confidence(SourceKind.DEBATE, decision.confidence)
    links = tuple(Link(LinkKind.DERIVED_FROM, item_id, taught.at) for item_id in taught.offered.cited_ids)
    told = Addition(Added(statement, (source,), base, Basis.VOTED, links=links))
    item_id = item_id_of(taught.home, statement)
    positions = {tally.agent: tally.position for tally in decision.tallies}
    dissents = [
        _dissent(taught, seq, replace(one, choice=positions.get(one.choice) or one.choice), item_id)
        for one in decision.dissent
        if one.reason.strip()
    ]
    return (told, *dissents)


def decided(taught: TaughtDebate) -> Statement | None:
    """The decision as a statement; None where none was reached."""
    found = taught.decision
    if found is None or not found[1].reached:
        return None
    decision = found[1]
    value = decision.position or conclusion(decision.answer)
    answer = decision.answer.strip()
    said = answer if value in answer else f"{value}: {answer}"
    return _statement(taught, ItemKind.DECISION, f"Decided: {said[:ANSWER_CHARS]}", value[:VALUE_CHARS])


def subject_of(question: str) -> str:
    """What a decision of `question` is about."""
    return subject_by(question_digest(question))


def subject_by(digest: str) -> str:
    """What a decision of the question with this digest is about."""
    return f"{QUESTION}{digest}"


def is_question(subject: str) -> bool:
    """Whether a subject is that of a question."""
    return _OF_QUESTION.fullmatch(subject) is not None


def _dissent(taught: TaughtDebate, seq: int, dissent: Dissent, decision_id: str) -> Addition:
    said = f"{FOR}{dissent.choice}: {dissent.reason.strip()[:ANSWER_CHARS]}"
    source = taught.source(seq, agent=dissent.agent)
    link = Link(LinkKind.DISSENTS_FROM, decision_id, taught.at)
    base = first_confidence(SourceKind.DEBATE, None)
    return Addition(
        Added(_statement(taught, ItemKind.DISSENT, said, ""), (source,), base, Basis.DECLARED, links=(link,))
    )


def _open_question(taught: TaughtDebate, seq: int, decision: Decision) -> Addition:
    leading = decision.position or conclusion(decision.answer)
    said = f"Not decided. Leading: {leading[:VALUE_CHARS]}" if leading.strip() else "Not decided."
    statement = _statement(taught, ItemKind.OPEN_QUESTION, said, "")
    base = first_confidence(SourceKind.DEBATE, decision.confidence)
    return Addition(Added(statement, (taught.source(seq),), base, Basis.VOTED))


def _statement(taught: TaughtDebate, kind: ItemKind, said: str, value: str) -> Statement:
    question = taught.spec.question.strip()[:QUESTION_CHARS]
    return Statement(
        kind=kind,
        content=f"{question}\n{said}",
        domain=taught.spec.domain,
        topics=() if taught.spec.domain == "general" else (taught.spec.domain,),
        subject=subject_of(taught.spec.question),
        relation=DECIDED if kind is ItemKind.DECISION else kind.value,
        value=value,
    )
