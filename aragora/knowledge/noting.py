"""What people bring to the mound: their own word, what a document says, what was exported elsewhere. Pure.

A writer says how sure it is, and that counts up to the ceiling of the kind of source (`aragora.knowledge.confidence`).
The root of a person's word, and of what they import, is the person, of a document's its address: saying a thing again
makes no second root. An import supports nothing that is there already, whatever its file says of itself. Text from
outside waits for a person where it has to (`aragora.knowledge.inspection`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from aragora.errors import InvalidInput
from aragora.knowledge.confidence import first_confidence
from aragora.knowledge.inspection import Inspection, inspected
from aragora.knowledge.ledger import Added
from aragora.knowledge.model import Basis, Item, ItemKind, Source, SourceKind, Statement, person_root
from aragora.knowledge.planning import Addition

ADDABLE: Final = (
    ItemKind.FACT,
    ItemKind.EVIDENCE,
    ItemKind.BELIEF,
    ItemKind.INSIGHT,
    ItemKind.CRITIQUE_PATTERN,
    ItemKind.OPEN_QUESTION,
    ItemKind.NOTE,
)
"""Decisions and dissents come of debates, outcomes of tasks, summaries of other items."""


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody brings, as it was checked at the border. `confidence` is how sure they say they are; `document` and
    `passage` name where it stands, for what is not their own word."""

    statement: Statement
    confidence: float | None = None
    document: str = ""
    passage: str = ""


@dataclass(frozen=True, slots=True)
class Noted:
    """What is to be written, and what was found in its texts."""

    addition: Addition
    found: Inspection


def document_root(address: str) -> str:
    """The root of what a document says."""
    return f"document:{address}"


def noted(note: Note, person: str, at: float) -> Noted:
    """What a note adds, said by `person` at `at`. Raises InvalidInput where it contradicts itself."""
    check(note.statement)
    if note.passage and not note.document:
        raise InvalidInput("a passage stands in a document: name it in `document`, or leave `passage` out")
    kind = SourceKind.DOCUMENT if note.document else SourceKind.PERSON
    source = Source(
        kind,
        document_root(note.document) if note.document else person_root(person),
        at,
        person=person,
        document=note.document or None,
        passage=note.passage or None,
        stated_confidence=note.confidence,
    )
    return _added(note.statement, (source,), note.passage)


def brought(statement: Statement, sources: tuple[Source, ...]) -> Noted:
    """What an execution of a workflow adds, of these sources. Raises InvalidInput as `noted` does."""
    check(statement)
    return _added(statement, sources)


def imported(statement: Statement, confidence: float | None, held: str, person: str, at: float) -> Noted:
    """What a line of a file adds, where it is not there yet; `held` says why a person must look first, if one must.
    Raises InvalidInput as `noted` does."""
    check(statement)
    source = Source(SourceKind.IMPORT, person_root(person), at, person=person, stated_confidence=confidence)
    one = _added(statement, (source,))
    added = replace(one.addition.added, quarantined=one.addition.added.quarantined or held)
    return replace(one, addition=Addition(added, only_new=True))


def check(statement: Statement) -> None:
    """Raises InvalidInput where the parts of a statement do not go together."""
    begins, ends = statement.valid_from, statement.valid_to
    if begins is not None and ends is not None and ends <= begins:
        raise InvalidInput("valid_to is not after valid_from: give a later one, or leave one of them out")
    if (statement.relation or statement.value) and not statement.subject:
        raise InvalidInput("a relation or a value is about a subject: name it in `subject`, or leave both out")


def is_own_word(item: Item, person: str) -> bool:
    """Whether nothing but this person's own word stands behind the item."""
    return all(one.kind is SourceKind.PERSON and one.person == person for one in item.sources)


def brought_by(item: Item, person: str) -> bool:
    """Whether all that stands behind the item was brought by this person: their word, their
    documents and files, or what came of their tasks."""
    return all(one.debate_id is None and one.person == person for one in item.sources)


def _added(statement: Statement, sources: tuple[Source, ...], passage: str = "") -> Noted:
    first = sources[0]
    texts = (statement.content, statement.subject, statement.relation, statement.value, *statement.topics, passage)
    found = inspected("\n".join(filter(None, texts)), external=first.kind is not SourceKind.PERSON)
    base = first_confidence(first.kind, first.stated_confidence)
    return Noted(Addition(Added(statement, sources, base, Basis.DECLARED, quarantined=found.quarantined)), found)
