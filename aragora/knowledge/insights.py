"""Insights that one workspace shares with others of its organisation: what they are, and who is given them. Pure.

Rules
- An insight goes to the workspaces that it names, and to no other. Its own workspace is not given it.
- Its confidence is the sharer's claim and is shown as that: it moves no item of knowledge. Below a minimum it is kept,
  and given to nobody; whoever lowers the minimum has it given from then on.
- For its targets it is text from outside: where it would be quarantined as an item (`aragora.knowledge.inspection`),
  nobody is given it until a person has released it.
- It has an id of its sharer's, unique in its workspace. Sharing it again with the same words changes nothing, whenever
  it says that it was made; with others it is a conflict.
- shared | quarantined -> withdrawn; quarantined -> shared; each -> forgotten, whose content is gone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from typing import Final
from unicodedata import normalize

from aragora import limits, texts
from aragora.encoding import encode
from aragora.errors import Conflict, InvalidInput, NotFound
from aragora.knowledge.inspection import inspected
from aragora.knowledge.search.folding import folded as seen
from aragora.scope import Scope, checked_workspace

SHARE_ID: Final = re.compile("ins_[0-9a-f]{32}")
"""What an insight is called among those of all workspaces (`share_id_of`)."""
CREATED_MAX_CHARS: Final = 64

MINIMUM_SETTING: Final = "ARAGORA_KNOWLEDGE_INSIGHT_CONFIDENCE_MIN"


class InsightStatus(StrEnum):
    """How far an insight is given on."""

    SHARED = "shared"
    QUARANTINED = "quarantined"  # a person looks first
    WITHDRAWN = "withdrawn"
    FORGOTTEN = "forgotten"  # its content is gone


@dataclass(frozen=True, slots=True)
class CrossWorkspaceInsight:
    """What a workspace found out and tells others.

    Attributes:
        insight_id: of the sharer's choice, unique in its workspace.
        source_workspace: whose insight it is.
        target_workspaces: who shall have it; names of workspaces of the same organisation.
        task_type: the kind of task that it is about, such as `debate`.
        content: one statement, of up to 8,000 characters.
        confidence: how sure the sharer is, 0..1.
        created_at: when it was made, in ISO 8601; without a zone in local time. It is given back as it stands.
    """

    insight_id: str
    source_workspace: str
    target_workspaces: Sequence[str]
    task_type: str
    content: str
    confidence: float
    created_at: str


@dataclass(frozen=True, slots=True)
class SharedInsight:
    """An insight as it is kept. Times are seconds since the epoch; `created` is what its `created_at` says, `reason`
    is why it is quarantined."""

    share_id: str
    org_id: str
    insight: CrossWorkspaceInsight
    created: float
    shared_by: str
    shared_at: float
    status: InsightStatus
    reason: str = ""

    @property
    def source(self) -> str:
        return self.insight.source_workspace


def share_id_of(org_id: str, source: str, insight_id: str) -> str:
    """The id of an insight among those of all workspaces: the same one however often it is shared."""
    return f"ins_{sha256(encode((org_id, source, insight_id))).hexdigest()[:32]}"


def checked(insight: CrossWorkspaceInsight) -> CrossWorkspaceInsight:
    """The insight with each target once, where its parts are what they must be. Raises InvalidInput."""
    _line("insight_id", insight.insight_id)
    _line("task_type", insight.task_type)
    checked_workspace(insight.source_workspace)
    _content(insight.content)
    confidence = insight.confidence
    if isinstance(confidence, bool) or not isinstance(confidence, int | float) or not 0 <= confidence <= 1:
        raise InvalidInput("confidence says how sure you are: give a number from 0 to 1")
    if isinstance(insight.target_workspaces, str):
        raise InvalidInput("target_workspaces is a list of names, and no text")
    targets = tuple(dict.fromkeys(checked_workspace(name) for name in insight.target_workspaces))
    if not 1 <= len(targets) <= limits.INSIGHT_TARGETS_MAX:
        raise InvalidInput(f"name from 1 to {limits.INSIGHT_TARGETS_MAX} target_workspaces")
    if insight.source_workspace in targets:
        raise InvalidInput(f"{insight.source_workspace!r} is where it comes from: leave it out of target_workspaces")
    return replace(insight, target_workspaces=targets, confidence=float(confidence))


def proposal(insight: CrossWorkspaceInsight, org_id: str, by: str, created: float, at: float) -> SharedInsight:
    """What is kept of a checked insight that `by` shares at `at`."""
    found = inspected(f"{insight.task_type}\n{insight.content}", external=True)
    status = InsightStatus.QUARANTINED if found.quarantined else InsightStatus.SHARED
    share_id = share_id_of(org_id, insight.source_workspace, insight.insight_id)
    return SharedInsight(share_id, org_id, insight, created, by, at, status, found.quarantined)


def repeated(kept: SharedInsight, told: CrossWorkspaceInsight) -> SharedInsight:
    """What is kept, where sharing `told` says it again. Raises Conflict where it says something else, or what is kept
    was withdrawn or forgotten."""
    if kept.status in (InsightStatus.WITHDRAWN, InsightStatus.FORGOTTEN):
        raise Conflict(
            f"the insight {told.insight_id!r} was {kept.status}: share what you have to say under another id",
            code=kept.status,
        )
    if _said(kept.insight) != _said(told):
        raise Conflict(
            f"an insight {told.insight_id!r} was shared that says something else: give this one another id, "
            "or withdraw that one and share it anew under another id",
            code="other_insight",
        )
    return kept


def is_delivered(kept: SharedInsight, minimum: float) -> bool:
    """Whether its targets are given it."""
    return kept.status is InsightStatus.SHARED and kept.insight.confidence >= minimum


def held_by(kept: SharedInsight, minimum: float) -> str:
    """Why nobody is given it, and what to do; empty where its targets are."""
    if kept.status is InsightStatus.QUARANTINED:
        return f"{kept.reason}: it is kept, and delivered once somebody with knowledge.manage has released it"
    if kept.status is not InsightStatus.SHARED:
        return f"it was {kept.status}"
    if kept.insight.confidence < minimum:
        return (
            f"its confidence {kept.insight.confidence:g} is below {minimum:g} ({MINIMUM_SETTING}): it is kept, and "
            "not delivered"
        )
    return ""


def seen_from(kept: SharedInsight, scope: Scope, minimum: float) -> SharedInsight | None:
    """What a reader of the scope sees of it: its own workspace all, a target what it was given, without the other
    targets and without who shared it; None where it sees nothing."""
    if scope.holds(kept.org_id, kept.source):
        return kept
    targets = tuple(name for name in kept.insight.target_workspaces if scope.holds(kept.org_id, name))
    if not targets or not is_delivered(kept, minimum):
        return None
    return replace(kept, insight=replace(kept.insight, target_workspaces=targets), shared_by="")


def unknown_insight(share_id: str) -> NotFound:
    """What is said of an insight that there is not, or that is out of reach."""
    return NotFound(f"There is no insight {share_id}: GET /api/knowledge/insights lists them.", code="unknown_insight")


def _said(insight: CrossWorkspaceInsight) -> tuple[object, ...]:
    """What an insight says, and to whom; not when it says that it was made."""
    content = normalize("NFC", insight.content)
    return (content, insight.task_type, insight.confidence, frozenset(insight.target_workspaces))


def _line(name: str, text: str) -> None:
    if not isinstance(text, str) or not text.strip() or len(text) > limits.NAME_MAX_CHARS:
        raise InvalidInput(f"{name} has from 1 to {limits.NAME_MAX_CHARS} characters")
    try:
        texts.line(text)
    except ValueError as wrong:
        raise InvalidInput(f"{name}: {wrong}") from None


def _content(text: str) -> None:
    if not isinstance(text, str) or not 1 <= len(text) <= limits.KNOWLEDGE_MAX_CHARS:
        raise InvalidInput(f"content has from 1 to {limits.KNOWLEDGE_MAX_CHARS} characters")
    try:
        texts.prose(text)
    except ValueError as wrong:
        raise InvalidInput(f"content: {wrong}") from None
    if not seen(text).strip():
        raise InvalidInput("content shows nothing: say something")
