"""Summaries of what a workspace knows: the sentences in the middle of items that belong together. Pure, no model.

Rules
- Items belong together that share a topic; of those without any, the ones whose words are alike. A group has at least
  `MEMBERS_MIN` items, and takes at most `MEMBERS_MAX`, the most trusted first.
- Only live statements that stand for themselves are condensed. Decisions and dissents are not: a decision never comes
  without its dissent. Nor is what holds for a time only, which would end before its summary.
- A group never mixes items that different people may find, and a summary is found by those who may find its items.
- A summary takes whole sentences of its items: those nearest to the centroid of the group's words, and unlike those
  before them. It invents nothing, and links to every item of its group (`derived_from`).
- It is no root: it descends from the roots of its items, which whoever is shown it has been shown.
- A summary stays while its items still give it word for word and are most of the group; else it falls and is made anew.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import log, sqrt
from typing import Final

from aragora.knowledge.confidence import confidence_of, first_confidence
from aragora.knowledge.ledger import Added
from aragora.knowledge.model import (
    Basis,
    Item,
    ItemKind,
    Link,
    LinkKind,
    Source,
    SourceKind,
    Statement,
    Status,
    Visibility,
)
from aragora.knowledge.planning import Addition, Burial, Unit
from aragora.knowledge.roots import lineage
from aragora.knowledge.search.ranking import alike_tokens
from aragora.knowledge.search.tokens import query_tokens

CONDENSED: Final = frozenset({ItemKind.FACT, ItemKind.EVIDENCE, ItemKind.BELIEF, ItemKind.INSIGHT, ItemKind.NOTE})
"""Issues that critics named are not: among evidence they would read as if they were known."""
MEMBERS_MIN: Final = 5
MEMBERS_MAX: Final = 50
SUMMARY_CHARS: Final = 500
"""Of a summary: less than what an offer takes of one item."""
SENTENCE_CHARS: Final = 200
ROOM_MIN: Final = 40  # characters: hardly a sentence is shorter
SENTENCES_MAX: Final = 500  # of a group, that are looked at
ALIKE: Final = 0.35  # of the words of two items of a cluster (cosine). Judgement, not measurement
SHARED_MIN: Final = 2  # words of two items of a cluster
SAID_ALREADY: Final = 0.6  # of the words of two sentences: one of them is enough
KEPT_SHARE: Final = 0.75  # of a group's items that its summary must have been made of, to stay
SUBJECT: Final = "summary:"
"""How the subject of a summary begins; the name of its group follows."""

_SENTENCE: Final = re.compile("(?<=[.!?\u3002\uff01\uff1f])\\s+|\\n+")  # also of Chinese and Japanese

Weights = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Group:
    """Items that belong together, the most trusted first; `name` says by what."""

    name: str
    visibility: Visibility
    members: tuple[Item, ...]


def groups(items: Iterable[Item]) -> tuple[Group, ...]:
    """The groups of these items of one workspace, in the order of their names."""
    topical: dict[tuple[str, Visibility], list[Item]] = {}
    loose: dict[Visibility, list[Item]] = {}
    for item in sorted({one.item_id: one for one in items if is_condensed(one)}.values(), key=_trusted_first):
        for topic in item.statement.topics:
            topical.setdefault((f"topic {topic}", item.visibility), []).append(item)
        if not item.statement.topics:
            loose.setdefault(item.visibility, []).append(item)
    found = [_group(name, visibility, members) for (name, visibility), members in topical.items()]
    for visibility, members in loose.items():
        found += [_group(f"cluster {one[0].item_id}", visibility, one) for one in _clusters(members)]
    large = (group for group in found if len(group.members) >= MEMBERS_MIN)
    return tuple(sorted(large, key=lambda group: (group.name, group.visibility)))


def is_condensed(item: Item) -> bool:
    """Whether summaries are made of such an item."""
    said = item.statement
    timeless = said.valid_from is None and said.valid_to is None
    return item.status is Status.LIVE and said.kind in CONDENSED and timeless


def condensed(group: Group, at: float) -> Addition:
    """The summary of a group, made at `at`."""
    members = group.members
    ids = sorted(item.item_id for item in members)
    content = _content(group)
    domains = {item.statement.domain for item in members}
    # The time is in it: what fell with one of its items may be made again, word for word, once that is live again.
    digest = sha256("\0".join((content, group.visibility, repr(at), *ids)).encode()).hexdigest()[:32]
    statement = Statement(
        ItemKind.SUMMARY,
        content,
        domain=domains.pop() if len(domains) == 1 else "general",
        topics=(group.name.removeprefix("topic "),) if group.name.startswith("topic ") else (),
        subject=f"{SUBJECT}{group.name}",
        relation=digest,  # two summaries of a group say nothing against each other
    )
    source = Source(SourceKind.DERIVATION, f"summary:{digest}", at, exposed=lineage(members))
    base = first_confidence(SourceKind.DERIVATION, sum(confidence_of(one).value for one in members) / len(members))
    links = tuple(Link(LinkKind.DERIVED_FROM, item_id, at) for item_id in ids)
    return Addition(Added(statement, (source,), base, Basis.DERIVED, group.visibility, links))


def is_summary(item: Item) -> bool:
    """Whether the item was condensed here; a file may bring others of the kind."""
    return item.statement.kind is ItemKind.SUMMARY and bool(made_of(item))


def made_of(summary: Item) -> tuple[str, ...]:
    """The ids of the items that a summary was condensed from."""
    return tuple(link.item_id for link in summary.links if link.kind is LinkKind.DERIVED_FROM)


def renewed(standing: Sequence[Item], now: Sequence[Group], known: Mapping[str, Item], at: float) -> list[Unit]:
    """What brings the summaries of a workspace up to date.

    Args:
        standing: the summaries that there are.
        now: the groups that there are.
        known: by id, the items that the summaries were made of, and that are there.
    """
    by_group = {(f"{SUBJECT}{group.name}", group.visibility): group for group in now}
    units: list[Unit] = []
    kept: set[tuple[str, Visibility]] = set()
    for summary in sorted(standing, key=lambda one: one.item_id):
        key = (summary.statement.subject, summary.visibility)
        group = by_group.get(key)
        if group is not None and key not in kept and _stands(summary, group, known):
            kept.add(key)
        else:
            units.append(Burial(summary.item_id, ""))
    units += [condensed(group, at) for key, group in by_group.items() if key not in kept]
    return units


def _stands(summary: Item, group: Group, known: Mapping[str, Item]) -> bool:
    members = [known[one] for one in made_of(summary) if one in known]
    if len(members) < len(made_of(summary)) or not all(map(is_condensed, members)):
        return False
    if any(item.visibility is not summary.visibility for item in members):
        return False
    members.sort(key=_trusted_first)
    again = _content(Group(group.name, group.visibility, tuple(members)))
    held = len({item.item_id for item in group.members}.intersection(made_of(summary)))
    return again == summary.statement.content and held >= KEPT_SHARE * len(group.members)


def _group(name: str, visibility: Visibility, members: Sequence[Item]) -> Group:
    return Group(name, visibility, tuple(members[:MEMBERS_MAX]))


def _trusted_first(item: Item) -> tuple[float, str]:
    return -confidence_of(item).value, item.item_id


# --- Clusters


def _clusters(items: Sequence[Item]) -> list[list[Item]]:
    """Each item with the first before it whose words are like its own, the nearest of several."""
    weighed = _weighed([query_tokens(item.statement.content) for item in items])
    clusters: list[list[Item]] = []
    leading: dict[str, list[tuple[int, float]]] = {}  # by word, the clusters whose first item has it
    for item, weights in zip(items, weighed, strict=True):
        near: dict[int, float] = {}
        shared: Counter[int] = Counter()
        for word, weight in weights.items():
            for number, other in leading.get(word, ()):
                near[number] = near.get(number, 0.0) + weight * other
                shared[number] += 1
        fitting = (number for number, nearness in near.items() if nearness >= ALIKE and shared[number] >= SHARED_MIN)
        best = max(fitting, key=lambda number: (near[number], -number), default=None)
        if best is not None:
            clusters[best].append(item)
            continue
        for word, weight in weights.items():
            leading.setdefault(word, []).append((len(clusters), weight))
        clusters.append([item])
    return clusters


def _weighed(texts: Sequence[Sequence[str]]) -> list[Weights]:
    """Each text's words by how rare they are among all, with length 1. A word of one text only binds it to no other,
    and one of more than a tenth of many texts tells nothing apart: both weigh nothing."""
    held = Counter(word for text in texts for word in set(text))
    common = max(len(texts) // 10, 2 * MEMBERS_MIN)
    weighed: list[Weights] = []
    for text in texts:
        telling = (word for word in sorted(set(text)) if 1 < held[word] <= common)
        raw = {word: log(1.0 + len(texts) / held[word]) for word in telling}
        length = sqrt(sum(weight * weight for weight in raw.values())) or 1.0
        weighed.append({word: weight / length for word, weight in raw.items()})
    return weighed


# --- Sentences


def _content(group: Group) -> str:
    head = f"Of {len(group.members)} items"
    head += f" on {group.name.removeprefix('topic ')[:100]}:" if group.name.startswith("topic ") else ":"
    room = SUMMARY_CHARS - len(head)
    lines = [head]
    for sentence in _central(group.members):
        if room < ROOM_MIN:
            break
        if len(sentence) + 3 <= room:
            lines.append(f"- {sentence}")
            room -= len(sentence) + 3
    return "\n".join(lines)


def _central(members: Sequence[Item]) -> Iterator[str]:
    """Sentences of these items, the nearest to the centroid of their words first, none that is said already."""
    said = dict.fromkeys(
        sentence
        for item in members
        for sentence in map(str.strip, _SENTENCE.split(item.statement.content))
        if 0 < len(sentence) <= SENTENCE_CHARS
    )
    sentences = list(said)[:SENTENCES_MAX]
    tokens = [frozenset(query_tokens(sentence)) for sentence in sentences]
    centroid = Counter(word for one in tokens for word in one)

    def nearness(number: int) -> tuple[float, str]:
        words = tokens[number]
        shared = sum(centroid[word] for word in sorted(words))
        return -(shared / sqrt(len(words)) if words else 0.0), sentences[number]

    chosen: list[int] = []
    for number in sorted(range(len(sentences)), key=nearness):
        if all(alike_tokens(tokens[number], tokens[other]) < SAID_ALREADY for other in chosen):
            chosen.append(number)
            yield sentences[number]
