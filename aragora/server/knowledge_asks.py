"""What callers send of knowledge: items to add, edits, and what to look for."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Final, Literal

from fastapi import Query
from pydantic import AfterValidator, Discriminator, Field, Tag, ValidationError

from aragora import limits, violations
from aragora.knowledge.keeping import Edit
from aragora.knowledge.model import ItemKind, Statement, Status, Visibility
from aragora.knowledge.noting import Note
from aragora.knowledge.sameness import folded
from aragora.knowledge.search.folding import folded as seen
from aragora.knowledge.searching import QUERY_MAX_CHARS, RESULTS_MAX, Mode
from aragora.knowledge.wanted import Wanted
from aragora.scope import WORKSPACE_PATTERN
from aragora.server.knowledge import Asking
from aragora.server.moments import Moment, MomentText
from aragora.server.schemas import Line, Prose, Workspace

CURSOR_MAX_CHARS: Final = 512
PROBLEMS_SHOWN: Final = 3


def _said(text: str) -> str:
    if not seen(text).strip():
        raise ValueError("it shows nothing: say something")
    return text


def _topic(text: str) -> str:
    topic = folded(_said(text))
    if len(topic) > limits.KNOWLEDGE_TOPIC_MAX_CHARS:  # some characters become several
        raise ValueError(f"a topic has at most {limits.KNOWLEDGE_TOPIC_MAX_CHARS} characters")
    return topic


Addable = Literal["fact", "evidence", "belief", "insight", "critique_pattern", "open_question", "note"]
_Content = Annotated[Prose, Field(min_length=1, max_length=limits.KNOWLEDGE_MAX_CHARS), AfterValidator(_said)]
_Topic = Annotated[Line, Field(min_length=1, max_length=limits.KNOWLEDGE_TOPIC_MAX_CHARS), AfterValidator(_topic)]
_Topics = Annotated[
    tuple[_Topic, ...],
    Field(max_length=limits.KNOWLEDGE_TOPICS_MAX, description="kept without differences of case and width"),
]
_About = Annotated[Line, Field(max_length=limits.KNOWLEDGE_SUBJECT_MAX_CHARS)]
_Domain = Annotated[Line, Field(min_length=1, max_length=limits.NAME_MAX_CHARS)]
_Stated = Annotated[
    float, Field(ge=0, le=1, description="how sure you are; it counts up to 0.7, of a document up to 0.5")
]


class StatedItem(Asking):
    """What is said, and what it is filed under."""

    content: _Content
    domain: _Domain = "general"
    topics: _Topics = ()
    subject: Annotated[
        _About, Field(description="what it is about; with `relation` and `value` it can be contradicted")
    ] = ""
    relation: _About = ""
    value: _About = ""
    valid_from: Annotated[Moment | None, Field(description="when it begins to hold; null: always did")] = None
    valid_to: Annotated[Moment | None, Field(description="the first moment at which it holds no more")] = None

    def statement(self, kind: ItemKind) -> Statement:
        """The statement, as one of this kind."""
        return Statement(
            kind,
            self.content,
            self.domain,
            tuple(dict.fromkeys(self.topics)),
            self.subject,
            self.relation,
            self.value,
            self.valid_from,
            self.valid_to,
        )


class NewItem(StatedItem):
    """Something to keep. With `document` it is what stands there, else your own word."""

    kind: Annotated[Addable, Field(description="decisions and dissents come of debates, outcomes of tasks")] = "note"
    confidence: _Stated | None = None
    document: Annotated[
        Line,
        Field(max_length=limits.KNOWLEDGE_ADDRESS_MAX_CHARS, description="address or id of the document that says so"),
    ] = ""
    passage: Annotated[
        Prose, Field(max_length=limits.KNOWLEDGE_PASSAGE_MAX_CHARS, description="where it stands there, word for word")
    ] = ""

    def note(self) -> Note:
        """What is to be added."""
        return Note(self.statement(ItemKind(self.kind)), self.confidence, self.document, self.passage)


_In = Annotated[Workspace | None, Field(description="where it is to be; unsaid: the API key's, else `default`")]


class AddItem(NewItem):
    """One item, and where it is to be."""

    workspace: _In = None


class AddItems(Asking):
    """Up to 500 items of one workspace. Each is added or refused by itself."""

    items: Annotated[
        tuple[dict[str, Any], ...],
        Field(min_length=1, max_length=limits.KNOWLEDGE_ITEMS_MAX, description="each as one item, without `workspace`"),
    ]
    workspace: _In = None


def _form(value: Any) -> str:
    """Which of the two a body is; what is no object at all is refused as an item."""
    if isinstance(value, AddItems):
        return "items"
    return "items" if isinstance(value, dict) and "items" in value else "item"


OneOrMany = Annotated[
    Annotated[AddItem, Tag("item")] | Annotated[AddItems, Tag("items")],
    Discriminator(_form),
]


class ChangeItem(Asking):
    """What is to change; what is left out stays. What is said can be changed while nobody else stands behind it; what
    the item is filed under, and who may find it, always."""

    content: _Content = ""
    topics: _Topics = ()
    domain: _Domain = "general"
    subject: _About = ""
    relation: _About = ""
    value: _About = ""
    valid_from: Moment | None = None
    valid_to: Moment | None = None
    visibility: Annotated[
        Visibility, Field(description="`org` shares it with the organisation; takes knowledge.manage")
    ] = Visibility.WORKSPACE

    @property
    def shares(self) -> bool:
        """Whether it changes who may find the item."""
        return "visibility" in self.model_fields_set

    def edit(self) -> Edit:
        """The fields that were sent."""
        sent = {name: getattr(self, name) for name in self.model_fields_set - {"visibility"}}
        return Edit(sent, self.visibility if self.shares else None)


class Why(Asking):
    """Why; kept with the item."""

    reason: Annotated[Prose, Field(min_length=1, max_length=limits.NOTE_MAX_CHARS), AfterValidator(_said)]


class Remark(Asking):
    """What was looked at."""

    note: Annotated[Prose, Field(max_length=limits.NOTE_MAX_CHARS)] = ""


Covered = Annotated[
    str | None,
    Field(
        pattern=f"{WORKSPACE_PATTERN}|^[*]$",
        description="a workspace, or `*` for all that the caller may use; unsaid: the API key's, else `default`",
    ),
]


class _Narrowing(Asking):
    kind: Annotated[list[ItemKind], Field(max_length=len(ItemKind), description="any of these")] = Field(
        default_factory=list
    )
    topic: Annotated[list[_Topic], Field(max_length=limits.KNOWLEDGE_TOPICS_MAX, description="any of these")] = Field(
        default_factory=list
    )
    domain: Annotated[Line, Field(max_length=limits.NAME_MAX_CHARS)] = ""
    min_confidence: Annotated[float, Field(ge=0, le=1)] = 0.0
    as_of: Annotated[
        MomentText | None, Field(description="what held then, as far as it was known not to have ended")
    ] = None
    workspace: Covered = None

    @property
    def wanted(self) -> Wanted:
        """Which items are asked for."""
        return Wanted(tuple(self.kind), tuple(self.topic), self.domain, self.min_confidence, self.as_of)


class Search(_Narrowing):
    """What to search for."""

    q: Annotated[Prose, Field(max_length=QUERY_MAX_CHARS, description="words or a question; nothing in it is syntax")]
    limit: Annotated[int, Field(ge=1, le=RESULTS_MAX)] = 10
    mode: Mode = Mode.HYBRID
    explain: Annotated[bool, Field(description="tell the parts of each score")] = False
    within: Annotated[
        Line, Field(pattern="^(kn_[0-9a-f]{32})?$", description="a summary: only the items that it was made of")
    ] = ""

    @property
    def wanted(self) -> Wanted:
        """Which items are asked for."""
        return replace(super().wanted, within=self.within)


class Listing(_Narrowing):
    """Which items to list."""

    status: Annotated[
        Status | None, Field(description="unsaid: live and disputed ones that hold now (or at `as_of`)")
    ] = None
    debate_id: Annotated[Line, Field(max_length=limits.DEBATE_ID_MAX_CHARS, description="that came of this debate")] = (
        ""
    )
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[Line | None, Field(max_length=CURSOR_MAX_CHARS)] = None

    @property
    def wanted(self) -> Wanted:
        """Which items are asked for."""
        return replace(super().wanted, status=self.status, debate_id=self.debate_id)


SearchQuery = Annotated[Search, Query()]
ListingQuery = Annotated[Listing, Query()]


def told_of(refused: ValidationError) -> str:
    """What is wrong with an item among many, without repeating it."""
    problems = refused.errors(include_url=False, include_input=False)[:PROBLEMS_SHOWN]
    told = [f"{'.'.join(str(part)[:64] for part in one['loc'])}: {violations.reason(one['msg'])}" for one in problems]
    return "; ".join(told).encode("utf-8", "replace").decode()
