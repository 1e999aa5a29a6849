"""The words of an execution: where it stands, what it asks for, and the events that its journal is made of.

Immutable data. An `Ask` is something that the machine wants done outside; a `Reply` is what came back; an event is what
happened, in the past tense. Each event class has a wire name in `WIRE_NAMES`: the `type` of the journal row, and of the
event that a client gets. Times are seconds since the epoch, money is micro-dollars.

A *run* is one step of a definition at one place: `run` is its key, `BLOCK/STEP`. A block's key is empty for the
definition's own; else it is the key of the run that began it, and a number: `checks/2` is the third item of the map
`checks`, and `checks/2/ask` the step `ask` in it. An *attempt* is one try of a run; `ask_id` names run and attempt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from aragora.scope import DEFAULT_WORKSPACE


class ExecutionStatus(StrEnum):
    """Where an execution stands."""

    RUNNING = "running"  # something happens, or is awaited of a machine
    WAITING = "waiting"  # all that it waits for are people, events, moments
    PAUSED = "paused"  # by a person: nothing begins
    COMPENSATING = "compensating"  # it has failed or was cancelled, and undoes what was done
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether the execution is over."""
        return self in (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED, ExecutionStatus.CANCELLED)


class ApprovalStatus(StrEnum):
    """What became of an approval."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CLOSED = "closed"  # its execution went on or ended without it


class Verdict(StrEnum):
    """What a person says to an approval."""

    APPROVE = "approve"
    REJECT = "reject"
    ABSTAIN = "abstain"


class Mode(StrEnum):
    """How somebody has shown who it is."""

    PASSWORD = "password"  # noqa: S105  the word, not one
    SECOND_FACTOR = "second_factor"
    OAUTH = "oauth"
    API_KEY = "api_key"
    HEADERS = "headers"  # a service that proves itself, on behalf of a person
    LOCAL = "local"  # the operator of the server's own machine


# --- what the machine wants ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ask:
    """What is to be done outside for one attempt of a run. `kind` is the step's type, `what` the step's values with
    every text filled in: what is done follows from these alone. The same ask may come twice: `ask_id` makes it one."""

    ask_id: str
    run: str
    step: str
    kind: str
    what: Mapping[str, Any]
    budget_micros: int | None = None  # the most it may cost; None: as the server says


@dataclass(frozen=True, slots=True)
class Accepted:
    """The ask is on its way: `ref` names what was begun (a debate, a task, an execution). Its answer comes later."""

    ask_id: str
    ref: str


@dataclass(frozen=True, slots=True)
class Done:
    """The ask was done, and gave `output`."""

    ask_id: str
    output: Mapping[str, Any]
    cost_micros: int = 0


@dataclass(frozen=True, slots=True)
class Failed:
    """The ask failed. `again`: it may go better next time."""

    ask_id: str
    code: str
    reason: str
    again: bool
    cost_micros: int = 0


Reply = Accepted | Done | Failed


# --- events ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ExecutionStarted:
    """The first event. `digest` is that of the definition, which is pinned by its version. `authors` are the people who
    wrote the versions up to this one. `parent` is the ask of another execution that this one serves."""

    execution_id: str
    workflow_id: str
    version: int
    digest: str
    name: str
    inputs: Mapping[str, Any]
    started_by: str
    org_id: str
    workspace: str = DEFAULT_WORKSPACE
    authors: tuple[str, ...] = ()
    parent: str = ""  # the execution
    parent_ask: str = ""
    depth: int = 1
    budget_micros: int | None = None
    ends_at: float = 0.0


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A run began, or is tried again. `what` as in `Ask`; of a step that runs blocks, what these need: `items` of a
    map. `times_out_at` None: with the execution."""

    run: str
    step: str
    kind: str
    attempt: int
    ask_id: str
    what: Mapping[str, Any] = field(default_factory=dict)
    budget_micros: int | None = None
    times_out_at: float | None = None
    due_at: float | None = None  # of a wait


@dataclass(frozen=True, slots=True)
class StepAccepted:
    """See `Accepted`."""

    run: str
    ask_id: str
    ref: str


@dataclass(frozen=True, slots=True)
class StepCompleted:
    """A run ended as `outcome`: done, rejected or expired."""

    run: str
    ask_id: str
    output: Mapping[str, Any]
    outcome: str = "done"
    cost_micros: int = 0


@dataclass(frozen=True, slots=True)
class StepFailed:
    """A run failed. With `again_at` it is tried again then."""

    run: str
    ask_id: str
    code: str
    reason: str
    cost_micros: int = 0
    again_at: float | None = None


@dataclass(frozen=True, slots=True)
class StepClosed:
    """A run is not waited for any more: another was first, or the execution ends. `ref` is what it had begun."""

    run: str
    ask_id: str
    why: str
    ref: str = ""


@dataclass(frozen=True, slots=True)
class BlockStarted:
    """The next round of a loop, or the next item of a map began."""

    run: str
    index: int


@dataclass(frozen=True, slots=True)
class LateAnswer:
    """An answer came for an attempt that is not waited for: it counts for its cost alone."""

    run: str
    ask_id: str
    cost_micros: int = 0


@dataclass(frozen=True, slots=True)
class SignalReceived:
    """Somebody sent a named event."""

    name: str
    payload: Mapping[str, Any]
    signal_id: str
    by: str


@dataclass(frozen=True, slots=True)
class ApprovalOpened:
    """People are asked. `shown` is what they see, `digest` that of what they see and decide on."""

    run: str
    approval_id: str
    shown: Mapping[str, str]
    digest: str
    deadline_at: float | None = None


@dataclass(frozen=True, slots=True)
class ApprovalAnswered:
    """A person's word. `need` is the approver it speaks as: `user:ID` or `role:NAME`; `speaks_as` are all that it may
    speak as, of those that the approval or its escalations name: which one counts is seen with the others' answers.
    `bypass`: with the right to answer in place of those that the approval names."""

    approval_id: str
    person: str
    verdict: Verdict
    need: str
    comment: str = ""
    checklist: tuple[str, ...] = ()
    digest: str = ""
    mode: Mode = Mode.LOCAL
    bypass: bool = False
    answer_id: str = ""
    speaks_as: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ApprovalReminded:
    """Those who have not answered were told again."""

    approval_id: str


@dataclass(frozen=True, slots=True)
class ApprovalEscalated:
    """A deadline has passed, and more people are asked: those of the escalation number `level`, from 1."""

    approval_id: str
    level: int
    deadline_at: float


@dataclass(frozen=True, slots=True)
class ApprovalClosed:
    """Nobody is asked any more."""

    approval_id: str
    status: ApprovalStatus
    why: str = ""


@dataclass(frozen=True, slots=True)
class ExecutionPaused:
    """From now on nothing begins."""

    by: str


@dataclass(frozen=True, slots=True)
class ExecutionResumed:
    """It goes on."""

    by: str


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """It ends as cancelled, after what is to be undone."""

    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ExecutionStopping:
    """It will end as `status` before its last step: what is open is closed, then `undoes` run in this order, the runs
    whose steps compensate for what was done."""

    status: ExecutionStatus
    code: str
    reason: str
    undoes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExecutionRetried:
    """An execution that failed goes on again from a run of the definition's own block, whose step takes `what` in place
    of its own values. What ran after it counts no more. `request_id` names the request, where its sender does."""

    by: str
    run: str
    what: Mapping[str, Any] = field(default_factory=dict)
    ends_at: float = 0.0
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class ExecutionEnded:
    """The end, as long as nobody retries it."""

    status: ExecutionStatus
    outputs: Mapping[str, Any] = field(default_factory=dict)
    code: str = ""
    reason: str = ""
    cost_micros: int = 0


@dataclass(frozen=True, slots=True)
class ReceiptIssued:
    """The execution's receipt, a link of the chain of receipts."""

    receipt_id: str
    position: int
    hash: str


Event = (
    ExecutionStarted
    | StepStarted
    | StepAccepted
    | StepCompleted
    | StepFailed
    | StepClosed
    | BlockStarted
    | LateAnswer
    | SignalReceived
    | ApprovalOpened
    | ApprovalAnswered
    | ApprovalReminded
    | ApprovalEscalated
    | ApprovalClosed
    | ExecutionPaused
    | ExecutionResumed
    | CancelRequested
    | ExecutionStopping
    | ExecutionRetried
    | ExecutionEnded
    | ReceiptIssued
)

WIRE_NAMES: Final[dict[type, str]] = {
    ExecutionStarted: "execution_started",
    StepStarted: "step_started",
    StepAccepted: "step_accepted",
    StepCompleted: "step_completed",
    StepFailed: "step_failed",
    StepClosed: "step_closed",
    BlockStarted: "block_started",
    LateAnswer: "late_answer",
    SignalReceived: "signal_received",
    ApprovalOpened: "approval_opened",
    ApprovalAnswered: "approval_answered",
    ApprovalReminded: "approval_reminded",
    ApprovalEscalated: "approval_escalated",
    ApprovalClosed: "approval_closed",
    ExecutionPaused: "execution_paused",
    ExecutionResumed: "execution_resumed",
    CancelRequested: "cancel_requested",
    ExecutionStopping: "execution_stopping",
    ExecutionRetried: "execution_retried",
    ExecutionEnded: "execution_ended",
    ReceiptIssued: "receipt_issued",
}
