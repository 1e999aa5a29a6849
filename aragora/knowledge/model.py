"""The words of the Knowledge Mound: items, where they come from, and how they hang together. Pure data.

An item is one statement with a way back: each has at least one source, a source names the debate (with seq and
receipt), the document or the person it came from. What is shown of an item is folded from the changes in the ledger
(`aragora.knowledge.ledger`). All times are seconds since the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from typing import Final
from unicodedata import normalize

from aragora.scope import Scope


class ItemKind(StrEnum):
    """What an item is."""

    FACT = "fact"
    DECISION = "decision"  # what a debate settled
    DISSENT = "dissent"  # who preferred another answer to it, and why
    EVIDENCE = "evidence"  # what an answer rested on
    CRITIQUE_PATTERN = "critique_pattern"
    BELIEF = "belief"
    INSIGHT = "insight"
    OPEN_QUESTION = "open_question"  # what a debate did not settle
    SUMMARY = "summary"  # condensed from other items
    OUTCOME = "outcome"  # why an attempt at a task failed
    NOTE = "note"


class Status(StrEnum):
    """How far an item may be relied on."""

    LIVE = "live"
    DISPUTED = "disputed"
    SUPERSEDED = "superseded"
    QUARANTINED = "quarantined"  # a person looks first: not searched
    FORGOTTEN = "forgotten"  # its content is gone


class Visibility(StrEnum):
    """Who may find an item."""

    WORKSPACE = "workspace"
    ORG = "org"


class SourceKind(StrEnum):
    """Where a statement was made."""

    DEBATE = "debate"
    DOCUMENT = "document"
    PERSON = "person"
    TASK = "task"
    WORKFLOW = "workflow"
    IMPORT = "import"
    DERIVATION = "derivation"


class Basis(StrEnum):
    """What a confidence rests on."""

    VOTED = "voted"  # the votes of a debate
    CALIBRATED = "calibrated"  # those, set right by how often such votes held
    CONFIRMED = "confirmed"  # an outcome, or a person who looked
    DECLARED = "declared"  # somebody says so
    DERIVED = "derived"  # made of other items


class LinkKind(StrEnum):
    """How one item stands to another."""

    SUPPORTS = "supports"
    CONTRADICTS = "contradicts"
    SUPERSEDES = "supersedes"
    DERIVED_FROM = "derived_from"
    DISSENTS_FROM = "dissents_from"


@dataclass(frozen=True, slots=True)
class Source:
    """One place where the statement was made.

    `root` names what it descends from, as `debate:ID`, `document:ID`, `person:ID`, `task:ID` or `import:ID`; `exposed`
    are the roots of all that whoever made the statement had been shown before. `stated_confidence` is what the source
    says of itself, and counts for nothing beyond its ceiling (`aragora.knowledge.confidence`).
    """

    kind: SourceKind
    root: str
    at: float
    exposed: tuple[str, ...] = ()
    debate_id: str | None = None
    seq: int | None = None
    receipt_id: str | None = None
    receipt_hash: str | None = None
    agent: str | None = None
    model: str | None = None
    person: str | None = None  # id of the user who said it, who opened the debate, or who made the task
    document: str | None = None  # address or id
    passage: str | None = None
    stated_confidence: float | None = None
    execution_id: str | None = None  # of the workflow that wrote it


@dataclass(frozen=True, slots=True)
class Link:
    """From the item that holds it to `item_id`."""

    kind: LinkKind
    item_id: str
    at: float


@dataclass(frozen=True, slots=True)
class Confidence:
    """How far to trust an item, 0..1, and what for: `support` and `against` count independent roots."""

    value: float
    basis: Basis
    support: int = 1
    against: int = 0


@dataclass(frozen=True, slots=True)
class Statement:
    """What is said. `subject` and `relation` name what it says something about, and what `value` it gives: only
    statements that share both can contradict each other. `valid_from` and `valid_to` bound when it holds in the
    world, both open by default; the second is the first moment at which it holds no more."""

    kind: ItemKind
    content: str
    domain: str = "general"
    topics: tuple[str, ...] = ()
    subject: str = ""
    relation: str = ""
    value: str = ""
    valid_from: float | None = None
    valid_to: float | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the content's NFC text, in hex."""
        return digest_of(self.content)


@dataclass(frozen=True, slots=True)
class Item:
    """An item as it stands. `version` counts its wordings, `base` is the confidence of its first source before others
    counted, `outcomes` what was seen later: (debate or person, whether it held)."""

    item_id: str
    org_id: str
    workspace: str
    statement: Statement
    status: Status
    visibility: Visibility
    base: float
    basis: Basis
    sources: tuple[Source, ...]
    recorded_at: float
    changed_at: float
    version: int = 1
    against: tuple[Source, ...] = ()
    links: tuple[Link, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    superseded_at: float | None = None
    reason: str = ""  # of a quarantine or a dispute, for people

    @property
    def digest(self) -> str:
        """Of the content of this version."""
        return self.statement.digest


class Bearing(StrEnum):
    """What an outcome that names an item is about."""

    ITEM = "item"  # the statement itself
    ANSWER = "answer"  # an answer that rests on the statement
    NOTHING = "nothing"  # it says nothing of the statement, though an earlier version of it may have


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether the statement held, as was seen later. `root` names where: one word a root, the newest counts.

    `version` counts what was told of a debate: an older version never takes the place of a newer one. `by` is the root
    of the person who told it, empty where that is `root` itself: one person's word counts once, whatever it is about.
    """

    root: str
    held: bool
    at: float
    version: int = 0
    by: str = ""
    bears: Bearing = Bearing.ITEM

    @property
    def voice(self) -> str:
        """Whose word it is."""
        return self.by or self.root


@dataclass(frozen=True, slots=True)
class Home:
    """Where an item lives."""

    org_id: str
    workspace: str

    @property
    def scope(self) -> Scope:
        """What whoever acts for this workspace alone may have."""
        return Scope(self.org_id, frozenset({self.workspace}))


SEARCHED: Final = frozenset({Status.LIVE, Status.DISPUTED})
"""What a search of "now" finds."""

BY_WORDS: Final = frozenset({ItemKind.CRITIQUE_PATTERN})
"""Kinds that are found by their words alone. A debate leaves up to twenty issues of critics, which no debate is offered
as items: to embed them would take more than the debate took."""

KEPT: Final = frozenset({Status.LIVE, Status.DISPUTED, Status.SUPERSEDED})
"""What a search of an earlier time may find."""


DEBATE: Final = "debate:"
"""How the root of what a debate says begins; its id follows."""


def digest_of(text: str) -> str:
    """SHA-256 of the NFC form of `text`, in hex."""
    return sha256(normalize("NFC", text).encode("utf-8", "surrogatepass")).hexdigest()


def debate_root(debate_id: str) -> str:
    """The root of what a debate says."""
    return f"{DEBATE}{debate_id}"


def person_root(user_id: str) -> str:
    """The root of what a person says."""
    return f"person:{user_id}"


def task_root(task_id: str) -> str:
    """The root of what came of a task."""
    return f"task:{task_id}"


def with_link(item: Item, link: Link) -> Item:
    """`item` with the link, once for each kind and target."""
    known = any(one.kind is link.kind and one.item_id == link.item_id for one in item.links)
    return item if known else replace(item, links=(*item.links, link))
