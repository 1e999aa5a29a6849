"""What webhooks tell of executions: rows of the outbox, each with its event whole. Pure.

Told are notifications, approvals and ends, by the names and members that the catalogue of webhooks lists
(`GET /api/webhooks/event-types`). They hold what the execution itself holds, and no more. A row's id follows from the
execution and the number of its event, so what comes twice is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aragora.debate.budget import MICROS
from aragora.encoding import encode, encode_text
from aragora.storage.outbox import OutboxRow
from aragora.workflows.approving import ApprovalState
from aragora.workflows.machine.state import ExecutionState
from aragora.workflows.model import (
    ApprovalClosed,
    ApprovalEscalated,
    ApprovalOpened,
    ApprovalReminded,
    Event,
    ExecutionEnded,
    ExecutionStarted,
    StepStarted,
)
from aragora.workflows.quorum import asked

TOPIC: Final = "workflow_events"
"""The outbox topic whose payload is an `EventTold`; the `debate_id` of its rows is the execution's id."""

VALUE_MAX_BYTES: Final = 65_536
"""Of details, of what an approval shows and of outputs, as JSON each: what is larger is left out, as null."""

_Told = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class EventTold:
    """An event of an execution, as webhooks tell it. Stored as JSON in outbox rows: a field's name never changes. `at`
    is in seconds since the epoch."""

    execution_id: str
    seq: int
    org_id: str
    type: str
    at: float
    data: Mapping[str, Any]


def told(state: ExecutionState, events: Sequence[Event], seq: int, now: float) -> tuple[OutboxRow, ...]:
    """The rows that tell of these events, which led to `state` and happened `now` (seconds since the epoch); the last
    one has the number `seq` in the journal."""
    started = state.started
    assert started is not None, "it begins with its first event"
    first = seq - len(events) + 1
    rows: list[OutboxRow] = []
    for place, event in enumerate(events, first):
        found = _told(state, event)
        if found is not None:
            name, members = found
            one = EventTold(started.execution_id, place, started.org_id, name, now, {**_facts(started), **members})
            row_id = f"{started.execution_id}:{TOPIC}:{place}"
            rows.append(OutboxRow(row_id, TOPIC, started.execution_id, encode_text(one), now))
    return tuple(rows)


def _facts(started: ExecutionStarted) -> Mapping[str, Any]:
    """What every event begins with."""
    return {
        "execution_id": started.execution_id,
        "workflow_id": started.workflow_id,
        "workflow": started.name,
        "version": started.version,
        "workspace": started.workspace,
        "parent": started.parent,
    }


def _told(state: ExecutionState, event: Event) -> _Told | None:
    """The type and the members of an event; None where it is not told."""
    if isinstance(event, StepStarted) and event.kind == "notify":
        details = _bounded(event.what.get("details", {}))
        return "workflow.notified", {"run": event.run, "message": event.what["message"], "details": details}
    if isinstance(event, ExecutionEnded):
        return "workflow.execution_ended", _end(event)
    if isinstance(event, ApprovalOpened | ApprovalReminded | ApprovalEscalated | ApprovalClosed):
        approval = state.approvals[event.approval_id]
        name, members = _of_approval(approval, event)
        of = {"run": approval.run, "approval_id": approval.approval_id, "title": approval.title}
        return f"workflow.approval_{name}", of | members
    return None


def _of_approval(
    approval: ApprovalState, event: ApprovalOpened | ApprovalReminded | ApprovalEscalated | ApprovalClosed
) -> tuple[str, dict[str, Any]]:
    if isinstance(event, ApprovalClosed):
        return "closed", {"status": event.status.value, "why": event.why}
    if isinstance(event, ApprovalReminded):
        return "reminded", {"approvers": approval.asked, "deadline_at": approval.deadline_at}
    if isinstance(event, ApprovalEscalated):
        all_asked = asked(approval.policy, event.level)
        return "escalated", {"approvers": all_asked, "level": event.level, "deadline_at": event.deadline_at}
    shown = _bounded(event.shown)
    return "requested", {"approvers": asked(approval.policy, 0), "shown": shown, "deadline_at": event.deadline_at}


def _end(event: ExecutionEnded) -> Mapping[str, Any]:
    return {
        "status": event.status.value,
        "code": event.code,
        "reason": event.reason,
        "cost_usd": event.cost_micros / MICROS,
        "outputs": _bounded(event.outputs),
    }


def _bounded(value: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return value if len(encode(value)) <= VALUE_MAX_BYTES else None
