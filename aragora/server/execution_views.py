"""What the routes of executions show."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from aragora.debate.budget import MICROS
from aragora.server.views import UNCACHED, json_response
from aragora.workflows.model import ExecutionStatus
from aragora.workflows.records import ExecutionRecord
from aragora.workflows.running.engine import Standing


class ExecutionView(BaseModel):
    execution_id: str
    workflow_id: str
    version: int
    name: str
    workspace: str
    status: ExecutionStatus
    started_by: str
    started_at: float
    updated_at: float
    ended_at: float | None
    due_at: Annotated[float | None, Field(description="the next moment at which time alone does something")]
    parent: Annotated[str | None, Field(description="the execution that it serves")]
    cost_usd: float
    code: Annotated[str, Field(description="why it has failed or was cancelled, for programs")]
    reason: Annotated[str, Field(description="the same, for people")]
    last_seq: int
    receipt_id: str | None


class OpenRunView(BaseModel):
    run: Annotated[str, Field(description="the step, at its place in the execution")]
    step: str
    title: str
    kind: str
    attempt: int
    began_at: float
    says: str
    due_at: float | None
    ref: Annotated[str, Field(description="the debate, task or execution that does it")]
    approval_id: str


class ExecutionDetail(ExecutionView):
    inputs: dict[str, Any]
    outputs: dict[str, Any] | None
    open: Annotated[list[OpenRunView], Field(description="what it does and waits for: the first 500")]
    open_count: Annotated[int, Field(description="how many there are")]
    steps: Annotated[dict[str, Any], Field(description="what its steps gave so far, 1 MB together at most")]
    left_out: Annotated[
        list[str], Field(description="steps for whose output there is no room here: its event `step_completed` has it")
    ]


class ExecutionList(BaseModel):
    executions: list[ExecutionView]
    next_cursor: str | None


class SignedReceipt(BaseModel):
    model_config = ConfigDict(extra="allow")

    hash: str
    signature: str


class StandingView(BaseModel):
    execution_id: str
    status: ExecutionStatus
    last_seq: int


class DryRun(BaseModel):
    ok: bool
    step_runs: Annotated[int, Field(description="the most steps that it may run")]
    usd: Annotated[float | None, Field(description="the most that it may cost; null: no budget bounds it")]
    steps: Annotated[list[dict[str, Any]], Field(description="what would be asked: id, type, title")]


class EventPage(BaseModel):
    events: Annotated[list[dict[str, Any]], Field(description="envelopes in the order of seq")]
    next_after: Annotated[int, Field(description="pass as `after` to read on")]


def standing_response(standing: Standing) -> Response:
    """The answer to a command."""
    shown = {"execution_id": standing.execution_id, "status": standing.status, "last_seq": standing.seq}
    return json_response(shown, headers=UNCACHED)


def execution_view(record: ExecutionRecord) -> dict[str, Any]:
    """An execution as `ExecutionView`."""
    return {
        "execution_id": record.execution_id,
        "workflow_id": record.workflow_id,
        "version": record.version,
        "name": record.name,
        "workspace": record.workspace,
        "status": record.status,
        "started_by": record.started_by,
        "started_at": record.started_at,
        "updated_at": record.updated_at,
        "ended_at": record.ended_at,
        "due_at": record.due_at,
        "parent": record.parent or None,
        "cost_usd": record.cost_micros / MICROS,
        "code": record.code,
        "reason": record.reason,
        "last_seq": record.last_seq,
        "receipt_id": record.receipt_id,
    }
