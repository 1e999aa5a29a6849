"""Forgetting: what a request comes to, and what its certificate says. Pure.

Rules
- Asked for are items by their ids, by the subject they are about, by the words that they all contain, by the debate or
  by the person that said them. Of a subject and of words only the digest is kept.
- Items that are asked for by id, subject or words are forgotten. Of those that a debate or a person said, that word
  alone is withdrawn where another source remains; an item without any is forgotten.
- With an item falls what was made of it: summaries that were condensed from it, items that were derived from nothing
  that remains, and the dissent from a decision that is gone.
- Insights that a workspace shared with others are forgotten by their ids, with the person that shared them, and with
  words that they all contain: then nobody is given them any more.
- A certificate names ids, digests and counts, never a text; it says place by place what was removed, and what was not.
- A request goes asked -> removed -> certified. Each step may be done again: it ends with the same certificate.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from aragora.errors import InvalidInput
from aragora.knowledge.ledger import Withdrawn, mark_of, marks_of
from aragora.knowledge.model import (
    Item,
    ItemKind,
    LinkKind,
    Source,
    SourceKind,
    Status,
    debate_root,
    digest_of,
    person_root,
)
from aragora.knowledge.planning import Burial, Changing, Unit
from aragora.receipts.receipt import FORGETTING

ITEMS_MAX: Final = 10_000  # of one certificate
IDS_TOLD: Final = 1_000  # of debates and receipts that still hold something; beyond that they are only counted
CERTIFICATE: Final = "forgetting"
"""The kind of a certificate in the receipt chain."""
FOR_EVER: Final = 1e300


class By(StrEnum):
    """How what is to be forgotten is named."""

    ITEM = "item"
    SUBJECT = "subject"
    DEBATE = "debate"
    PERSON = "person"
    QUERY = "query"
    INSIGHT = "insight"


class Stage(StrEnum):
    """How far a request is."""

    ASKED = "asked"
    REMOVED = "removed"  # what it names is gone, the certificate is not there yet
    CERTIFIED = "certified"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for, as it is kept: ids as they are, a subject and words as their SHA-256."""

    by: By
    named: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Which roots of an item, by their marks, are taken out; others remain."""

    item_id: str
    marks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Forgetting:
    """One request and how far it is. Stored as JSON: a field's name never changes. `removed` counts rows by place;
    `debates` and `receipts` are those that the forgotten items came from, and keep what they say. `more`: further items
    fit the request, and take another one. `insights` are those that go, by their share ids."""

    forgetting_id: str
    org_id: str
    workspace: str
    asked: Asked
    asked_by: str
    at: float
    stage: Stage = Stage.ASKED
    forgotten: tuple[str, ...] = ()
    withdrawn: tuple[Withdrawal, ...] = ()
    removed: Mapping[str, int] = field(default_factory=dict)
    debates: tuple[str, ...] = ()
    receipts: tuple[str, ...] = ()
    more: bool = False
    insights: tuple[str, ...] = ()

    @property
    def certificate_id(self) -> str:
        """Follows from the id: however often the last step is done, there is one certificate."""
        return certificate_id_of(self.forgetting_id)


@dataclass(frozen=True, slots=True)
class Share:
    """What a request does to some items: those that go, and those that lose a source."""

    forgotten: tuple[str, ...] = ()
    withdrawn: tuple[Withdrawal, ...] = ()
    debates: tuple[str, ...] = ()
    receipts: tuple[str, ...] = ()


def certificate_id_of(forgetting_id: str) -> str:
    """The certificate of a request."""
    return f"crt_{forgetting_id.removeprefix('fgt_')}"


def asked_of(by: By, named: Iterable[str]) -> Asked:
    """What is kept of what is asked for. Raises InvalidInput where nothing is named."""
    names = tuple(dict.fromkeys(named))
    if not names or not all(name.strip() for name in names):
        raise InvalidInput("say what to forget: the name is empty", code="nothing_named")
    return Asked(by, tuple(map(digest_of, names)) if by in {By.SUBJECT, By.QUERY} else names)


def barred_by(asked: Asked, at: float) -> dict[str, float]:
    """What the mound does not learn from any more, and up to when: a debate for ever, a person up to the request."""
    if asked.by is By.DEBATE:
        return {mark_of(debate_root(name)): FOR_EVER for name in asked.named}
    if asked.by is By.PERSON:
        return {mark_of(person_root(name)): at for name in asked.named}
    return {}


def share_of(asked: Asked, items: Iterable[Item], at: float) -> Share:
    """What the request does to the items that it names, without those that fall with them."""
    barred = barred_by(asked, at)
    forgotten: list[str] = []
    withdrawn: list[Withdrawal] = []
    named: list[Source] = []
    for item in items:
        if item.status is Status.FORGOTTEN:
            continue
        if not barred:
            forgotten.append(item.item_id)
            named += [*item.sources, *item.against]
            continue
        gone = [one for one in (*item.sources, *item.against) if _is_barred(one, barred)]
        named += gone
        if all(_is_barred(one, barred) for one in item.sources):
            forgotten.append(item.item_id)
        elif gone:
            withdrawn.append(Withdrawal(item.item_id, tuple(sorted({mark_of(one.root) for one in gone}))))
    debates, receipts = _origins(named)
    return Share(tuple(forgotten), tuple(withdrawn), debates, receipts)


def falling(items: Iterable[Item], gone: Collection[str]) -> tuple[Item, ...]:
    """Of items that link to forgotten ones those that fall with them; `gone` are the ids of all that are forgotten, and
    of all that these items link to and that are forgotten already."""
    return tuple(item for item in items if item.status is not Status.FORGOTTEN and _falls(item, gone))


def units_of(forgetting: Forgetting, ids: Collection[str], held: Mapping[str, Item]) -> list[Unit]:
    """What is written for these items of a request; `held` are those that are there. A withdrawal that would leave an
    item without any source forgets it."""
    certificate = forgetting.certificate_id
    going = set(forgetting.forgotten)
    marks = {one.item_id: frozenset(one.marks) for one in forgetting.withdrawn}
    units: list[Unit] = []
    for item_id in ids:
        item = held.get(item_id)
        if item_id in going:
            units.append(Burial(item_id, certificate))
        elif item is not None and item.status is not Status.FORGOTTEN:
            left = [one for one in item.sources if mark_of(one.root) not in marks[item_id]]
            if left:
                units += [Changing(item_id, Withdrawn(mark)) for mark in sorted(marks[item_id])]
            else:
                units.append(Burial(item_id, certificate))
    return units


def joined(forgetting: Forgetting, share: Share) -> Forgetting:
    """The request with what it does to further items."""
    forgotten = dict.fromkeys((*forgetting.forgotten, *share.forgotten))
    withdrawn = {one.item_id: one for one in (*forgetting.withdrawn, *share.withdrawn)}
    return replace(
        forgetting,
        forgotten=tuple(forgotten),
        withdrawn=tuple(one for item_id, one in withdrawn.items() if item_id not in forgotten),
        debates=tuple(dict.fromkeys((*forgetting.debates, *share.debates))),
        receipts=tuple(dict.fromkeys((*forgetting.receipts, *share.receipts))),
    )


def added_by(item: Item, user_id: str) -> bool:
    """Whether an item is that person's own: nobody else stands behind it, and no debate does."""
    return bool(item.sources) and all(
        one.kind is SourceKind.PERSON and one.root == person_root(user_id) for one in item.sources
    )


# --- The certificate


_PLACES: Final[Mapping[str, str]] = {
    "knowledge_items": "content, subject, sources and links of an item; its id, kind and times remain",
    "knowledge_ledger": "what each change of an item said, earlier wordings among it; that there was a change remains",
    "knowledge_tokens": "what full-text search reads",
    "knowledge_vectors": "vectors of meaning, of every embedder",
    "knowledge_topics": "topics",
    "knowledge_sources": "whose word an item rested on",
    "knowledge_links": "links to other items",
    "withdrawn_sources": "sources of items that remain, in the item and in its ledger",
    "knowledge_insights": "what insights that were shared said, who shared them, and who is given them; the share id and "
    "its time remain",
    "knowledge_observations": "what adapters noted of these debates, or of those that this person opened and the tasks "
    "that they made: numbers",
    "outcome_notes": "what people noted of the outcomes of these debates, or what this person noted",
    "caches": "none holds a text: they hold numbers of items, and the store is asked what may be shown",
}

_SCRUBBED: Final[Mapping[str, str]] = {
    "sqlite": "freed pages were written over (secure_delete), the full-text index was merged (optimize), and the "
    "write-ahead log was emptied unless a reader held it: then its next checkpoint does",
    "postgresql": "removed rows are dead: they stay on disk until (auto)vacuum, and in the write-ahead log until it is "
    "recycled",
}


def body_of(forgetting: Forgetting, *, backend: str, offered_in: Iterable[str], issued_at: float) -> dict[str, Any]:
    """The members of the certificate that do not depend on the chain or the key.

    `backend` is `sqlite` or `postgresql`; `offered_in` are the debates that were offered one of the items, as far as
    they were found; times are seconds since the epoch.
    """
    return {
        "schema": FORGETTING,
        "receipt_id": forgetting.certificate_id,
        "forgetting_id": forgetting.forgetting_id,
        "org_id": forgetting.org_id,
        "workspace": forgetting.workspace,
        "asked_by": forgetting.asked_by,
        "asked_at": forgetting.at,
        "issued_at": issued_at,
        "by": {"kind": forgetting.asked.by.value, "named": list(forgetting.asked.named)},
        "forgotten": list(forgetting.forgotten),
        "withdrawn": [{"item_id": one.item_id, "marks": list(one.marks)} for one in forgetting.withdrawn],
        "insights": list(forgetting.insights),
        "more": forgetting.more,
        "removed": [
            {"place": place, "what": what, "rows": forgetting.removed.get(place, 0)} for place, what in _PLACES.items()
        ],
        "not_removed": _kept(forgetting, tuple(offered_in), _SCRUBBED[backend]),
    }


def _kept(forgetting: Forgetting, offered_in: tuple[str, ...], scrubbed: str) -> list[dict[str, Any]]:
    return [
        _left("journals", "of the debates that said it: erase the debates to be rid of it there", forgetting.debates),
        _left("receipts", "of these debates", forgetting.receipts),
        _left(
            "later debates",
            "that were offered an item: the journal has its text as it was offered, the receipt its id and digest",
            offered_in,
        ),
        _left("tasks", "and their attempts say what went wrong until 30 and 90 days after their end"),
        _left("outcomes", "of these debates: which answer held, when, and who told it"),
        _left("this chain", "the ids of what was forgotten stand in this certificate for ever"),
        _left("audit log", "that and by whom this was asked for"),
        _left("backups", "of before, until they end; a store that is restored from one forgets again when it opens"),
        _left("clients", "that have read it, and exports"),
        _left("disk", scrubbed),
    ]


def _left(place: str, what: str, ids: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"place": place, "what": what, "count": len(ids), "ids": list(ids[:IDS_TOLD])}


def from_certificate(document: Mapping[str, Any]) -> Forgetting:
    """The request of a certificate, to be carried out again in a store that does not know it. Raises KeyError,
    TypeError or ValueError where the document is none."""
    asked = document["by"]
    return Forgetting(
        forgetting_id=document["forgetting_id"],
        org_id=document["org_id"],
        workspace=document["workspace"],
        asked=Asked(By(asked["kind"]), tuple(asked["named"])),
        asked_by=document["asked_by"],
        at=document["asked_at"],
        forgotten=tuple(document["forgotten"]),
        withdrawn=tuple(Withdrawal(one["item_id"], tuple(one["marks"])) for one in document["withdrawn"]),
        more=document["more"],
        insights=tuple(document.get("insights", ())),  # certificates of before know of none
    )


def _is_barred(source: Source, barred: Mapping[str, float]) -> bool:
    return any(source.at <= barred.get(mark, -1.0) for mark in marks_of(source))


def _falls(item: Item, gone: Collection[str]) -> bool:
    made_of = [one.item_id for one in item.links if one.kind is LinkKind.DERIVED_FROM]
    if item.statement.kind is ItemKind.SUMMARY and any(one in gone for one in made_of):
        return True
    against = [one.item_id for one in item.links if one.kind is LinkKind.DISSENTS_FROM]
    return _all_gone(made_of, gone) or _all_gone(against, gone)


def _all_gone(ids: Collection[str], gone: Collection[str]) -> bool:
    return bool(ids) and all(one in gone for one in ids)


def _origins(sources: Iterable[Source]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    debates: dict[str, None] = {}
    receipts: dict[str, None] = {}
    for source in sources:
        if source.debate_id is not None:
            debates[source.debate_id] = None
        if source.receipt_id is not None:
            receipts[source.receipt_id] = None
    return tuple(debates), tuple(receipts)
