"""Items of knowledge as the JSON of answers, and the models that describe it."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BaseModel, Field

from aragora.encoding import to_plain
from aragora.knowledge.confidence import calibration_of, confidence_of, in_words
from aragora.knowledge.model import (
    Basis,
    Confidence,
    Item,
    ItemKind,
    Link,
    LinkKind,
    Source,
    SourceKind,
    Status,
    Visibility,
)
from aragora.knowledge.planning import Effect
from aragora.knowledge.searching import Mode, Result

SHOWN: Final = 10  # sources of an item in a list


class ConfidenceView(BaseModel):
    value: Annotated[float, Field(description="0 to 1; follows from the sources, no writer sets it")]
    words: str
    basis: Basis
    calibration: Annotated[
        str, Field(description="of votes: whether outcomes of earlier decisions set them right; empty for others")
    ]
    support: Annotated[int, Field(description="independent roots that say so")]
    against: Annotated[int, Field(description="independent roots that say otherwise")]


class SourceView(BaseModel):
    kind: SourceKind
    root: Annotated[str, Field(description="what it descends from: a debate, a document, a person, a task, an import")]
    at: float
    exposed: Annotated[list[str], Field(description="roots of all that whoever said it had been shown before")]
    debate_id: str | None
    seq: Annotated[int | None, Field(description="the event of the debate's journal")]
    receipt_id: str | None
    receipt_hash: str | None
    agent: str | None
    model: str | None
    person: str | None
    document: str | None
    passage: str | None
    stated_confidence: Annotated[float | None, Field(description="what it says of itself")]
    execution_id: Annotated[str | None, Field(description="of the workflow that wrote it")]


class ItemView(BaseModel):
    item_id: str
    workspace: str
    kind: ItemKind
    content: str
    domain: str
    topics: list[str]
    subject: str
    relation: str
    value: str
    valid_from: Annotated[float | None, Field(description="seconds since the epoch; null: open")]
    valid_to: Annotated[float | None, Field(description="the first moment at which it holds no more")]
    status: Status
    reason: Annotated[str, Field(description="of a dispute or a quarantine")]
    visibility: Visibility
    version: Annotated[int, Field(description="of its wording; If-Match takes it")]
    digest: Annotated[str, Field(description="SHA-256 of the content's NFC text")]
    confidence: ConfidenceView
    recorded_at: float
    changed_at: float
    superseded_at: float | None
    sources: Annotated[list[SourceView], Field(description=f"in lists the first {SHOWN}")]
    sources_total: int


class LinkView(BaseModel):
    kind: LinkKind
    item_id: str
    at: float


class ItemDetail(ItemView):
    against: Annotated[list[SourceView], Field(description="sources that say otherwise")]
    links: Annotated[list[LinkView], Field(description="to items that the caller may know of")]


class AddedItem(ItemView):
    effect: Annotated[Effect, Field(description="added, or supported: it was there, and has one source more")]
    lookalikes: Annotated[list[str], Field(description="words that mix letters of two alphabets")]


class ItemList(BaseModel):
    items: list[ItemView]
    next_cursor: str | None


class Parts(BaseModel):
    """Why a hit stands where it stands."""

    places: Annotated[dict[str, int], Field(description="its place in each list that has it")]
    fused: float
    confidence: Annotated[float, Field(description="factor")]
    decay: Annotated[float, Field(description="factor of its age")]
    likeness: Annotated[float | None, Field(description="to the most similar hit before it")]


class Hit(BaseModel):
    item: ItemView
    score: Annotated[float, Field(description="comparable within one answer only")]
    dissents: Annotated[list[ItemView], Field(description="of a decision: who preferred another answer, and why")]
    parts: Annotated[Parts | None, Field(description="with `explain`")]


class Found(BaseModel):
    results: list[Hit]
    mode: Annotated[Mode, Field(description="by what was really searched")]
    degraded: Annotated[str, Field(description="why that is not what was asked for; empty where it is")]
    exact: Annotated[bool, Field(description="whether every vector was compared")]
    waiting: Annotated[int, Field(description="items that have no vector yet, and are found by their words only")]


def item_view(item: Item, shown: int | None = SHOWN) -> dict[str, Any]:
    """An item as `ItemView`, with its first `shown` sources; None: with all."""
    said = item.statement
    return {
        "item_id": item.item_id,
        "workspace": item.workspace,
        "kind": said.kind,
        "content": said.content,
        "domain": said.domain,
        "topics": said.topics,
        "subject": said.subject,
        "relation": said.relation,
        "value": said.value,
        "valid_from": said.valid_from,
        "valid_to": said.valid_to,
        "status": item.status,
        "reason": item.reason,
        "visibility": item.visibility,
        "version": item.version,
        "digest": item.digest,
        "confidence": confidence_view(confidence_of(item)),
        "recorded_at": item.recorded_at,
        "changed_at": item.changed_at,
        "superseded_at": item.superseded_at,
        "sources": [source_view(one) for one in item.sources[:shown]],
        "sources_total": len(item.sources),
    }


def item_detail(item: Item, known: set[str]) -> dict[str, Any]:
    """An item as `ItemDetail`; `known` are the ids of linked items that the caller may know of."""
    return {
        **item_view(item, None),
        "against": [source_view(one) for one in item.against],
        "links": [link_view(link) for link in item.links if link.item_id in known],
    }


def hit_view(result: Result, dissents: list[Item], *, explain: bool) -> dict[str, Any]:
    """A result as `Hit`."""
    parts = result.parts
    told = {
        "places": dict(parts.places),
        "fused": parts.fused,
        "confidence": parts.confidence,
        "decay": parts.decay,
        "likeness": parts.likeness,
    }
    return {
        "item": item_view(result.item),
        "score": result.score,
        "dissents": [item_view(one) for one in dissents],
        "parts": told if explain else None,
    }


def confidence_view(confidence: Confidence) -> dict[str, Any]:
    """A confidence as `ConfidenceView`."""
    told = {"words": in_words(confidence.value), "calibration": calibration_of(confidence)}
    return {**to_plain(confidence), **told}


def source_view(source: Source) -> dict[str, Any]:
    """A source as `SourceView`."""
    plain: dict[str, Any] = to_plain(source)
    return plain


def link_view(link: Link) -> dict[str, Any]:
    """A link as `LinkView`."""
    plain: dict[str, Any] = to_plain(link)
    return plain
