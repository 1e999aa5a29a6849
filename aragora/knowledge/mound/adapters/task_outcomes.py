"""The control plane's adapter: what came of attempts at tasks. Pure.

In:  an attempt that failed, or whose lease ran out, becomes an item of kind `outcome`. Its root is the task, so the
     same failure of the same agent in another task supports it; what the agent said went wrong is text from outside,
     and is inspected as such. Every attempt, whatever its end, is noted in numbers under its type of task, so that
     failures and successes are counted alike.
Out: the items, to whoever searches. No debate is offered them: whoever may work on tasks could put words there. Which
     agent to give a task to is read from the attempts themselves (`aragora.control_plane`).

The outbox brings attempts as JSON (`aragora.control_plane.outcomes.TaskOutcome`); `TaskAttempt` is what of that is
learnt from.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aragora.encoding import decode_as, encode_text
from aragora.knowledge.confidence import first_confidence
from aragora.knowledge.inspection import inspected
from aragora.knowledge.ledger import Added
from aragora.knowledge.model import Basis, Home, ItemKind, Source, SourceKind, Statement, task_root
from aragora.knowledge.observations import Observation
from aragora.knowledge.planning import Addition
from aragora.knowledge.sameness import folded
from aragora.limits import KNOWLEDGE_TOPIC_MAX_CHARS, KNOWLEDGE_TOPICS_MAX, NAME_MAX_CHARS

NAME: Final = "control_plane"
TOPIC: Final = "tasks"
"""Of the outbox rows that it learns from."""

ERROR_CHARS: Final = 2_000
UNSAID: Final = "no reason was given"

DEBATE: Final = "debate"
OTHER: Final = "other"


class How(StrEnum):
    """How an attempt ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    LAPSED = "lapsed"
    CANCELLED = "cancelled"


TAUGHT: Final = frozenset({How.FAILED, How.LAPSED})
"""What becomes an item."""


@dataclass(frozen=True, slots=True)
class TaskAttempt:
    """An attempt at a task that is over since `at`, in seconds since the epoch; `fence` counts those of its task.
    `created_by` is the person who made the task, empty where that is not known."""

    task_id: str
    fence: int
    org_id: str
    workspace: str
    type: str
    agent_id: str
    how: How
    at: float
    capabilities: tuple[str, ...] = ()
    latency_ms: float = 0.0
    cost_usd: float = 0.0
    error: str | None = None
    created_by: str = ""

    @property
    def home(self) -> Home:
        return Home(self.org_id, self.workspace)

    @property
    def failed(self) -> bool:
        return self.how in TAUGHT


@dataclass(frozen=True, slots=True)
class Noted:
    """What is noted of one attempt. Stored: a field's name never changes."""

    agent: str
    how: How
    latency_ms: float = 0.0
    cost_usd: float = 0.0


def attempt_of(payload: str) -> TaskAttempt:
    """The attempt of an outbox row. Raises ValueError where the payload is none."""
    return decode_as(payload, TaskAttempt)


def gather(attempt: TaskAttempt) -> tuple[Addition, ...]:
    """The item that an attempt gives; none where it did not fail."""
    if not attempt.failed:
        return ()
    why = (attempt.error or "").strip()[:ERROR_CHARS] or UNSAID
    statement = Statement(
        kind=ItemKind.OUTCOME,
        content=f"Task type {attempt.type}, agent {attempt.agent_id}: {attempt.how}: {why}",
        domain=attempt.type[:NAME_MAX_CHARS],
        topics=_topics(attempt.capabilities),
    )
    source = Source(
        SourceKind.TASK,
        task_root(attempt.task_id),
        attempt.at,
        agent=attempt.agent_id,
        person=attempt.created_by or None,
    )
    found = inspected("\n".join((statement.content, *statement.topics)), external=True)
    base = first_confidence(SourceKind.TASK, None)
    return (Addition(Added(statement, (source,), base, Basis.DECLARED, quarantined=found.quarantined)),)


def observe(attempt: TaskAttempt) -> tuple[Observation, ...]:
    """The numbers of an attempt, under the type of its task. It is told apart from others by its task and its fence."""
    noted = Noted(attempt.agent_id, attempt.how, attempt.latency_ms, attempt.cost_usd)
    place = f"{attempt.task_id}:{attempt.fence}"
    return (Observation(attempt.type, encode_text(noted), place, attempt.created_by, attempt.at),)


def read(observation: Observation) -> Noted:
    """What an observation of this adapter says. Raises ValueError for one that is damaged."""
    return decode_as(observation.body, Noted)


def type_label(task_type: str) -> str:
    """How figures call a type of tasks. A type is whatever a caller says, and tells of their work: only the one that
    the server itself knows has its name there."""
    return DEBATE if task_type == DEBATE else OTHER


def _topics(capabilities: tuple[str, ...]) -> tuple[str, ...]:
    """The capabilities as topics, in the way in which topics that people give are kept."""
    topics = dict.fromkeys(topic for topic in map(folded, capabilities) if 0 < len(topic) <= KNOWLEDGE_TOPIC_MAX_CHARS)
    return tuple(topics)[:KNOWLEDGE_TOPICS_MAX]
