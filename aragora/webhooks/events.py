"""The catalogue of events that webhooks tell, as data.

The events of a debate have the names and the members that WebSocket clients get (docs/spec/journal.md), for both come
from the same classes. Before these members stands what a client of a WebSocket knows by its subscription,
`DebateFacts`. The events of a workflow begin with `WorkflowFacts`. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any, Final

from pydantic import TypeAdapter

from aragora import encoding
from aragora.debate import model as debate
from aragora.errors import InvalidInput
from aragora.scope import DEFAULT_WORKSPACE
from aragora.webhooks import operational
from aragora.webhooks import workflow_events as workflow
from aragora.webhooks.event_examples import DEBATE_ID, EXAMPLES, EXECUTION_ID, WORKFLOW_ID

EVERY: Final = "*"
"""In place of a type: every type that is not of high volume."""
OTHER: Final = "other"
"""The label in metrics of types outside the catalogue, which whoever calls `deliver_webhook` makes up."""

_NAME: Final = re.compile(r"[\x21-\x7e]{1,128}")  # it goes out as a header
_SHOWN_CHARS: Final = 64
_ALIKE: Final = 0.6  # as difflib proposes
_NAMES: Final = {**debate.WIRE_NAMES, **workflow.WORKFLOW_NAMES, **operational.OPERATIONAL_NAMES}


@dataclass(frozen=True, slots=True)
class DebateFacts:
    """Which debate an event comes from, and what else endpoints choose by. `protocol` is the preset's name."""

    debate_id: str
    domain: str
    protocol: str
    topology: str
    workspace: str = DEFAULT_WORKSPACE


@dataclass(frozen=True, slots=True)
class EventType:
    """One type of event.

    Args:
        version: of its data; new members do not change it, so receivers pass over those they do not know.
        high_volume: whether a debate has many of them; then `*` does not stand for it.
        kind: the class of its data.
        example: data of it.
    """

    name: str
    version: int
    description: str
    high_volume: bool
    kind: type
    example: Mapping[str, Any]

    @property
    def of_debate(self) -> bool:
        """Whether it happens in a debate, and its data begins with `DebateFacts`."""
        return self.kind in debate.WIRE_NAMES

    @property
    def of_workflow(self) -> bool:
        """Whether it happens in an execution of a workflow, and its data begins with `WorkflowFacts`."""
        return self.kind in workflow.WORKFLOW_NAMES

    def schema(self) -> Mapping[str, Any]:
        """The JSON Schema (2020-12) of its data."""
        return _schema(self.kind)


def facts_of(spec: debate.DebateSpec) -> DebateFacts:
    """What the events of a debate begin with."""
    return DebateFacts(spec.debate_id, spec.domain, spec.protocol.name, spec.protocol.topology, spec.workspace)


def label(event_type: str) -> str:
    """The label of a type in metrics: bounded, whatever types callers make up."""
    return event_type if event_type in CATALOGUE else OTHER


def check_name(event_type: str) -> None:
    """Raises InvalidInput where `event_type` cannot be the type of a delivery: any type may be, but it goes out in a
    header."""
    if _NAME.fullmatch(event_type) is None:
        raise InvalidInput(
            f"The event type {_shown(event_type)!r} is no name: give 1 to 128 characters of printable ASCII, no spaces."
        )


def event_type(name: str) -> EventType:
    """The type of this name. Raises InvalidInput where there is none."""
    found = CATALOGUE.get(name)
    if found is None:
        raise unknown_type(name)
    return found


def unknown_type(name: str) -> InvalidInput:
    """The error that says that no event has the type `name`, and which one may be meant."""
    shown = _shown(name)
    nearest = get_close_matches(shown.lower(), CATALOGUE, 1, _ALIKE)
    mend = f"Is {nearest[0]} meant?" if nearest else "GET /api/webhooks/event-types lists all there are."
    return InvalidInput(f"There is no event type {shown!r}. {mend}")


def _shown(name: str) -> str:
    """A name that may hold anything, fit for one line of an error."""
    cut = name if len(name) <= _SHOWN_CHARS else f"{name[:_SHOWN_CHARS]}..."
    return "".join(character if character.isprintable() else "?" for character in cut)


@cache  # pydantic takes some milliseconds for each
def _schema(kind: type) -> Mapping[str, Any]:
    schema: dict[str, Any] = TypeAdapter(kind).json_schema(mode="serialization")
    begins = _BEGINS.get(kind)
    if begins is not None:
        facts = TypeAdapter(type(begins)).json_schema(mode="serialization")
        schema["properties"] = facts["properties"] | schema["properties"]
        schema["required"] = facts["required"] + schema.get("required", [])
    return schema


_OF_A_DEBATE: Final = DebateFacts(DEBATE_ID, "software", "structured", "positions")
_OF_A_WORKFLOW: Final = workflow.WorkflowFacts(EXECUTION_ID, WORKFLOW_ID, "Release", 3)
_BEGINS: Final[Mapping[type, DebateFacts | workflow.WorkflowFacts]] = {
    **dict.fromkeys(debate.WIRE_NAMES, _OF_A_DEBATE),
    **dict.fromkeys(workflow.WORKFLOW_NAMES, _OF_A_WORKFLOW),
}
"""What the data of examples begins with."""
_EXAMPLES: Final[Mapping[type, Mapping[str, Any]]] = {
    type(event): encoding.to_plain(_BEGINS.get(type(event), {})) | encoding.decode(encoding.encode(event))
    for event in EXAMPLES
}


def _listed(kind: type, description: str, *, high_volume: bool = False) -> EventType:
    return EventType(_NAMES[kind], 1, description, high_volume, kind, _EXAMPLES[kind])


_TYPES: Final = (
    _listed(debate.DebateOpened, "A debate was opened."),
    _listed(debate.KnowledgeOffered, "What a debate was offered of earlier knowledge, or why nothing."),
    _listed(debate.DebateEnded, "A debate is over: decided, failed or cancelled. Nothing follows."),
    _listed(debate.ConsensusReached, "The votes are counted and the decision stands; it says whether it was reached."),
    _listed(debate.ReceiptIssued, "The signed receipt of a decision was issued."),
    _listed(debate.AgentFailed, "An agent did not answer what it was asked."),
    _listed(debate.FallbackUsed, "Another provider was tried in place of an agent's own."),
    _listed(debate.AgreementChallenged, "An agreement without shared reasons was challenged."),
    _listed(debate.ConvergenceMeasured, "The answers of a round were compared."),
    _listed(debate.VoteCast, "An agent voted, ranked the answers, or judged.", high_volume=True),
    _listed(debate.CritiqueGiven, "An agent criticised another's answer.", high_volume=True),
    _listed(debate.AnswerGiven, "An agent answered the question.", high_volume=True),
    _listed(debate.KnowledgeCited, "An answer cites what the debate was offered.", high_volume=True),
    _listed(workflow.WorkflowNotified, "A step of a workflow says something."),
    _listed(workflow.WorkflowApprovalRequested, "People are asked to approve a step of a workflow."),
    _listed(workflow.WorkflowApprovalReminded, "Those who have not answered an approval are asked again."),
    _listed(workflow.WorkflowApprovalEscalated, "Nobody decided an approval in time, and more people are asked."),
    _listed(workflow.WorkflowApprovalClosed, "An approval is over: approved, rejected, expired, or not needed."),
    _listed(workflow.WorkflowExecutionEnded, "An execution of a workflow is over: completed, failed or cancelled."),
    _listed(operational.WebhookFailing, "An endpoint of yours fails; its deliveries wait."),
    _listed(operational.WebhookRecovered, "An endpoint of yours that failed takes deliveries again."),
    _listed(operational.WebhookExhausted, "A delivery has no retries left and lies with the dead letters."),
    _listed(operational.WebhookDisabled, "An endpoint of yours was disabled."),
    _listed(operational.WebhookTested, "You asked for a test. It goes to the endpoint that is tested only."),
    _listed(
        operational.WebhookVerification,
        "A challenge that the receiver sends back. It goes to the endpoint that is to be verified only.",
    ),
)

CATALOGUE: Final[Mapping[str, EventType]] = {each.name: each for each in _TYPES}
"""All types by their names, in the order in which people read them."""
