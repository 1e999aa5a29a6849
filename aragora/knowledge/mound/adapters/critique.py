"""The critique adapter: what critics found, and what came of it. Pure.

In:  each issue that a critique names becomes an item of kind `critique_pattern`, the `ISSUES_MAX` most severe of a
     debate. What followed is noted by domain: whether the criticised answer was revised after it or stood, and, where
     it stood, whether its position lost or won.
Out: the checklist of a domain (`ranked`, `told`): issues that critics of several debates came to on their own, and that
     mattered: most of the answers that they were held against were revised, or lost.

Rules
- Issues are grouped by the tokens that they share, of which a note has digests: what is worded nearly alike is one.
- A debate is one trial of an issue, however many of its critics name it: of use where more of the answers were revised
  or lost than stood and won; where nothing is known of what followed, none.
- A debate whose critics were shown an issue does not make it more frequent. It is a trial: a list that nobody heeds
  any more loses its issues.
- All issues of an answer share what followed: nobody knows which of them it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from aragora.debate.hints import ISSUE_MAX_CHARS, OfferedIssue, fitted_issues, line_of
from aragora.debate.machine.convergence import conclusion
from aragora.debate.model import AnswerGiven, AskKind, CritiqueGiven, KnowledgeOffered
from aragora.encoding import decode_as
from aragora.knowledge.calibration import wilson
from aragora.knowledge.inspection import inspected
from aragora.knowledge.ledger import Added
from aragora.knowledge.model import Basis, Item, ItemKind, Statement, Status
from aragora.knowledge.observations import Observation
from aragora.knowledge.planning import Addition
from aragora.knowledge.sameness import folded, item_id_of
from aragora.knowledge.search.tokens import query_tokens
from aragora.knowledge.taught import TaughtDebate
from aragora.knowledge.wordings import SAME, Signature, alike, grouped, signature

NAME: Final = "critique"

ISSUES_MAX: Final = 20  # of one debate, the most severe
ISSUE_MIN_CHARS: Final = 12  # "too vague", "wrong" and the like help nobody
CONTENT_CHARS: Final = 1_000

NAMED: Final = 0.3  # how far an issue is trusted that a critic names
HEEDED: Final = 0.2  # more where an answer was revised or lost after it

REWORDED: Final = 0.8
"""Answers of one conclusion whose tokens are alike from here on are one answer in other words."""

READ: Final = 100
"""Of the newest debates of a domain so many are looked at."""
LEAST: Final = 2
"""Debates in which critics must have come to an issue on their own."""
CANDIDATES: Final = 12
"""Groups whose items are read for a list."""
WORDINGS: Final = 4
"""Items of a group that may speak for it, those that most debates named first."""


class Followed(StrEnum):
    """What became of an answer after an issue was held against it."""

    REVISED = "revised"
    LOST = "lost"  # its author kept it, and its position lost
    STOOD = "stood"  # its author kept it, and nothing was decided
    WON = "won"  # its author kept it, and its position won


@dataclass(frozen=True, slots=True)
class Found:
    """One issue of one debate, and against how many answers what followed. Stored: a field's name never changes.
    `shown`: the critics had it on their checklist."""

    item_id: str
    severity: float
    revised: int = 0
    lost: int = 0
    stood: int = 0
    won: int = 0
    shown: bool = False
    signature: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Criticised:
    """The issues of one debate. Stored: a field's name never changes."""

    issues: tuple[Found, ...] = ()


@dataclass(frozen=True, slots=True)
class Ranked:
    """A group of issues that belongs on the checklist: the items that may speak for it, the best first, in how many
    debates critics came to it on their own, and the share of its trials in which it was of use."""

    item_ids: tuple[str, ...]
    debates: int
    effective: float


@dataclass(slots=True)
class _Issue:
    """What a debate says of one wording."""

    text: str
    seq: int
    event: CritiqueGiven
    severity: float
    followed: Counter[Followed] = field(default_factory=Counter)

    @property
    def heeded(self) -> bool:
        return self.followed[Followed.REVISED] + self.followed[Followed.LOST] > 0


def gather(taught: TaughtDebate) -> tuple[Addition, ...]:
    """The items that a debate gives."""
    return tuple(_addition(taught, issue) for issue in _issues(taught))


def observe(taught: TaughtDebate) -> tuple[Observation, ...]:
    """What followed upon the issues of a debate; nothing where critics named none."""
    shown = [signature(text) for text in _shown(taught)]
    issues = []
    for issue in _issues(taught):
        own, followed = signature(issue.text), issue.followed
        issues.append(
            Found(
                item_id_of(taught.home, _statement(taught, issue.text)),
                issue.severity,
                revised=followed[Followed.REVISED],
                lost=followed[Followed.LOST],
                stood=followed[Followed.STOOD],
                won=followed[Followed.WON],
                shown=any(alike(own, one) >= SAME for one in shown),
                signature=own,
            )
        )
    if not issues:
        return ()
    return (taught.noted(taught.spec.domain, Criticised(tuple(issues))),)


def read(observation: Observation) -> Criticised:
    """What an observation of this adapter says. Raises ValueError for one that is damaged."""
    return decode_as(observation.body, Criticised)


def ranked(seen: Mapping[str, Criticised]) -> tuple[Ranked, ...]:
    """The groups of issues that are frequent and of use, the best first, at most `CANDIDATES`: by the lower bound of
    the share of trials in which they were of use (Wilson), times the debates that came to them. `seen`: by debate."""
    listed = [group for group in _grouped(seen) if group.listed]
    listed.sort(key=lambda one: (-one.score, one.item_ids[0]))
    return tuple(
        Ranked(tuple(one.item_ids[:WORDINGS]), len(one.own), one.useful / len(one.balance))
        for one in listed[:CANDIDATES]
    )


def told(groups: Sequence[Ranked], items: Mapping[str, Item]) -> tuple[OfferedIssue, ...]:
    """The checklist: of each group the first wording whose item is live, in its words of now. A group of which a person
    disputes a wording, or holds one up, is left out."""
    return fitted_issues(
        OfferedIssue(line_of(spoken.statement.content, ISSUE_MAX_CHARS), spoken.item_id, group.debates, group.effective)
        for group in groups
        if (spoken := _speaking(group, items)) is not None
    )


# --- In ---------------------------------------------------------------------------------------------------


def _issues(taught: TaughtDebate) -> list[_Issue]:
    """The issues that the critics of a debate name, each wording once, the most severe first."""
    found: dict[str, _Issue] = {}
    what_followed = _Followups(taught)
    for seq, event in taught.events:
        if not isinstance(event, CritiqueGiven):
            continue
        followed = what_followed.upon(seq, event.target)
        for text in dict.fromkeys(" ".join(one.split())[:CONTENT_CHARS].strip() for one in event.issues):
            key = folded(text)
            if len(key) < ISSUE_MIN_CHARS:
                continue
            issue = found.get(key)
            if issue is None:
                issue = found[key] = _Issue(text, seq, event, event.severity)
            issue.severity = max(issue.severity, event.severity)
            if followed is not None:
                issue.followed[followed] += 1
    return sorted(found.values(), key=lambda one: (-one.severity, one.seq))[:ISSUES_MAX]


class _Followups:
    """What became of the answers of one debate; each pair of answers is compared once."""

    def __init__(self, taught: TaughtDebate) -> None:
        self._answers: dict[str, list[tuple[int, AnswerGiven]]] = {}
        for seq, answer in taught.answers:
            if answer.kind is not AskKind.SYNTHESIZE:  # the chair's words are no answer of its own
                self._answers.setdefault(answer.agent, []).append((seq, answer))
        found = taught.decision
        self._reached = found is not None and found[1].reached
        self._winners = taught.winners
        self._revised: dict[tuple[str, int], bool] = {}

    def upon(self, seq: int, target: str) -> Followed | None:
        """What became of the target's answer after the event `seq`; None where the debate does not tell."""
        answers = self._answers.get(target, [])
        place = sum(at < seq for at, _ in answers)
        after = place < len(answers)
        if place and after and self._is_revised(target, place):
            return Followed.REVISED
        if self._reached:
            return Followed.WON if target in self._winners else Followed.LOST
        return Followed.STOOD if after else None

    def _is_revised(self, target: str, place: int) -> bool:
        if (target, place) not in self._revised:
            (_, before), (_, after) = self._answers[target][place - 1 : place + 1]
            self._revised[target, place] = _is_revised(before, after)
        return self._revised[target, place]


def _is_revised(before: AnswerGiven, after: AnswerGiven) -> bool:
    if before.option != after.option:
        return True
    if not before.option and folded(conclusion(before.content)) != folded(conclusion(after.content)):
        return True
    had, has = frozenset(query_tokens(before.content)), frozenset(query_tokens(after.content))
    return len(had & has) < REWORDED * len(had | has)


def _shown(taught: TaughtDebate) -> Iterator[str]:
    """What stood on the checklist of the debate's critics."""
    for _, event in taught.events:
        if isinstance(event, KnowledgeOffered):
            yield from (issue.text for issue in event.checklist)


def _addition(taught: TaughtDebate, issue: _Issue) -> Addition:
    agent, usage = issue.event.agent, issue.event.usage
    quality = NAMED + (HEEDED if issue.heeded else 0.0)
    source = taught.source(issue.seq, agent=agent, model=usage.model, stated_confidence=quality)
    seen = tuple(sorted({*source.exposed, *taught.offered.checked}))
    statement = _statement(taught, issue.text)
    return Addition(Added(statement, (replace(source, exposed=seen),), quality, Basis.DERIVED))


def _statement(taught: TaughtDebate, text: str) -> Statement:
    domain = taught.spec.domain
    topics = () if domain == "general" else (domain,)
    return Statement(ItemKind.CRITIQUE_PATTERN, text, domain=domain, topics=topics)


# --- Out --------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Group:
    """Issues that are one: the debates that came to it on their own, and by debate how many more answers were revised
    or lost than stood and won."""

    item_ids: list[str]
    own: set[str] = field(default_factory=set)
    balance: dict[str, int] = field(default_factory=dict)

    def take(self, debate_id: str, found: Found) -> None:
        if not found.shown:
            self.own.add(debate_id)
        for_it, against = found.revised + found.lost, found.stood + found.won
        if for_it or against:
            self.balance[debate_id] = self.balance.get(debate_id, 0) + for_it - against

    @property
    def useful(self) -> int:
        return sum(balance > 0 for balance in self.balance.values())

    @property
    def listed(self) -> bool:
        return len(self.own) >= LEAST and 2 * self.useful > len(self.balance)

    @property
    def score(self) -> float:
        return wilson(self.useful, len(self.balance))[0] * len(self.own)


def _grouped(seen: Mapping[str, Criticised]) -> list[_Group]:
    signatures: dict[str, Signature] = {}
    debates: dict[str, set[str]] = {}
    for debate_id, one in seen.items():
        for found in one.issues:
            signatures[found.item_id] = max(signatures.get(found.item_id, ()), found.signature)
            debates.setdefault(found.item_id, set()).add(debate_id)
    order = sorted(debates, key=lambda item_id: (-len(debates[item_id]), item_id))
    of = grouped(signatures, order)
    groups: dict[str, _Group] = {}
    for item_id in order:
        groups.setdefault(of[item_id], _Group([])).item_ids.append(item_id)
    for debate_id, one in seen.items():
        for found in one.issues:
            groups[of[found.item_id]].take(debate_id, found)
    return list(groups.values())


def _speaking(group: Ranked, items: Mapping[str, Item]) -> Item | None:
    known = [items[item_id] for item_id in group.item_ids if item_id in items]
    if any(item.status in (Status.DISPUTED, Status.QUARANTINED) for item in known):
        return None
    live = (item for item in known if item.status is Status.LIVE)
    return next((item for item in live if not inspected(item.statement.content, external=True).quarantined), None)
