"""What webhooks tell of workflows, in the past tense: the data of the events `workflow.*`, and how the outbox has them.

Before its members each has `WorkflowFacts`. Times are seconds since the epoch, as in the API of executions. A row of
the outbox holds its event whole: nothing is read again where it is told. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from aragora.scope import DEFAULT_WORKSPACE

ApprovalEnd = Literal["approved", "rejected", "expired", "closed"]
ExecutionEnd = Literal["completed", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class WorkflowFacts:
    """Which execution an event comes from, and what else endpoints choose by. `workflow` is the workflow's name;
    `parent` the execution that this one serves, empty where there is none."""

    execution_id: str
    workflow_id: str
    workflow: str
    version: int
    workspace: str = DEFAULT_WORKSPACE
    parent: str = ""


@dataclass(frozen=True, slots=True)
class WorkflowNotified:
    """A step `notify` says something. `run` is the step at its place in the execution; `details` is null where it is
    large: `GET /api/workflow-executions/{id}` has it."""

    run: str
    message: str
    details: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class WorkflowApprovalRequested:
    """People are asked. `shown` is what they see, null where it is large: `GET /api/workflow-approvals/{id}` has it.
    `approvers` are `user:ID` and `role:NAME`; without `deadline_at` it waits."""

    run: str
    approval_id: str
    title: str
    approvers: tuple[str, ...]
    shown: Mapping[str, str] | None = None
    deadline_at: float | None = None


@dataclass(frozen=True, slots=True)
class WorkflowApprovalReminded:
    """Those who have not answered are told again. `approvers` are all who are asked."""

    run: str
    approval_id: str
    title: str
    approvers: tuple[str, ...]
    deadline_at: float | None = None


@dataclass(frozen=True, slots=True)
class WorkflowApprovalEscalated:
    """A deadline has passed, and more people are asked. `approvers` are all who are asked from now on; `level` counts
    escalations from 1."""

    run: str
    approval_id: str
    title: str
    approvers: tuple[str, ...]
    level: int
    deadline_at: float


@dataclass(frozen=True, slots=True)
class WorkflowApprovalClosed:
    """Nobody is asked any more; `why` says what closed it."""

    run: str
    approval_id: str
    title: str
    status: ApprovalEnd
    why: str = ""


@dataclass(frozen=True, slots=True)
class WorkflowExecutionEnded:
    """An execution is over. `code` and `reason` say why it failed or was cancelled, for programs and for people.
    `outputs` is null where it is large: `GET /api/workflow-executions/{id}` has it."""

    status: ExecutionEnd
    code: str
    reason: str
    cost_usd: float
    outputs: Mapping[str, Any] | None = None


WORKFLOW_NAMES: Final[dict[type, str]] = {
    WorkflowNotified: "workflow.notified",
    WorkflowApprovalRequested: "workflow.approval_requested",
    WorkflowApprovalReminded: "workflow.approval_reminded",
    WorkflowApprovalEscalated: "workflow.approval_escalated",
    WorkflowApprovalClosed: "workflow.approval_closed",
    WorkflowExecutionEnded: "workflow.execution_ended",
}
"""The type of each event."""


@dataclass(frozen=True, slots=True)
class WorkflowRow:
    """The payload of a row of the outbox that tells of a workflow, as the feature of workflows writes it. `seq` is the
    event's number in the journal of the execution, `at` its time in seconds since the epoch."""

    execution_id: str
    seq: int
    org_id: str
    type: str
    at: float
    data: Mapping[str, Any]
