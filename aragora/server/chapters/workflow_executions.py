"""Executions of workflows: started, listed, read and steered.

A command returns once the journal has it, with the status that it led to. What happened is in the events, numbered
without a gap: whoever names the last one it saw misses none.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any, Final, Protocol

from fastapi import Path, Query
from pydantic import AfterValidator, Field, StrictBool
from starlette.responses import Response

from aragora import limits
from aragora.clock import Clock
from aragora.debate.budget import MICROS, micros_of
from aragora.debate.proposition import Idempotency
from aragora.encoding import decode, encode, to_plain
from aragora.errors import Forbidden, NotFound
from aragora.identity.audit import Outcome
from aragora.identity.auditing import audited
from aragora.identity.rbac import WORKFLOWS_EXECUTE, WORKFLOWS_READ
from aragora.ids import new_id
from aragora.server.chapter import Call, Chapter
from aragora.server.execution_views import (
    DryRun,
    EventPage,
    ExecutionDetail,
    ExecutionList,
    ExecutionView,
    SignedReceipt,
    StandingView,
    execution_view,
    standing_response,
)
from aragora.server.knowledge import Asking, covered, reach
from aragora.server.live.journals import ExecutionJournals
from aragora.server.live.sockets import SocketRegistry
from aragora.server.live.sse import MAX_SEQ, MEDIA_TYPE, EventStream, LastEventId, is_wanted, resume_at
from aragora.server.live.subjects import Subject
from aragora.server.ports import AuditTrail, EventFeed
from aragora.server.receipt_forms import Form, receipt_response
from aragora.server.schemas import IdempotencyKey, Line, Prose, Workspaces
from aragora.server.views import UNCACHED, json_response
from aragora.workflows.checking import checked, rights_needed
from aragora.workflows.definition import Definition
from aragora.workflows.journal import Unreadable
from aragora.workflows.model import ExecutionStarted, ExecutionStatus
from aragora.workflows.outline import outlined
from aragora.workflows.ports import Definitions
from aragora.workflows.proving import ExecutionReceipts
from aragora.workflows.records import Started
from aragora.workflows.replaying import Looking, damaged
from aragora.workflows.running.engine import Standing
from aragora.workflows.starting import first_event
from aragora.workflows.store.definitions import PREFIX as WORKFLOW
from aragora.workflows.store.definitions import DefinitionStore, unknown_workflow
from aragora.workflows.store.executions import ExecutionStore, Wanted, unknown_execution

PREFIX: Final = "exe"
WAIT_MAX_S: Final = 25.0

_EXECUTION_ID: Final = re.compile(rf"{PREFIX}_[0-9a-f]{{32}}")
_WORKFLOW_ID: Final = re.compile(rf"{WORKFLOW}_[0-9a-f]{{32}}")


class ExecutionCommands(Protocol):
    """Commands to whoever runs executions. Each returns once the journal has it. Raises NotFound, Conflict,
    InvalidInput, Unavailable."""

    async def start(self, started: ExecutionStarted, idempotency: Idempotency | None) -> Started: ...

    async def pause(self, execution_id: str, by: str) -> Standing: ...

    async def resume(self, execution_id: str, by: str) -> Standing: ...

    async def cancel(self, execution_id: str, by: str, reason: str) -> Standing: ...

    async def retry(
        self, execution_id: str, by: str, run: str, what: Mapping[str, Any], request_id: str
    ) -> Standing: ...

    async def signal(
        self, execution_id: str, name: str, payload: Mapping[str, Any], signal_id: str, by: str
    ) -> Standing: ...


@dataclass(frozen=True, slots=True)
class ExecutionPorts:
    """What these routes call. The stores connect with their first use. `feed` has events as they come; `followed` hands
    them to streams, and is of this process as `sockets` are."""

    commands: ExecutionCommands
    executions: ExecutionStore
    journals: ExecutionJournals
    feed: EventFeed
    followed: Subject
    sockets: SocketRegistry
    looking: Looking
    workflows: DefinitionStore
    definitions: Definitions
    receipts: ExecutionReceipts
    audit: AuditTrail
    clock: Clock


workflow_executions: Chapter[ExecutionPorts] = Chapter("workflows")


def _of_an_execution(text: str) -> str:
    """Raises NotFound for what no execution is called, before any store is asked."""
    if _EXECUTION_ID.fullmatch(text) is None:
        raise unknown_execution()
    return text


def _of_a_workflow(text: str) -> str:
    if _WORKFLOW_ID.fullmatch(text) is None:
        raise unknown_workflow()
    return text


_ExecutionId = Annotated[str, Path(), AfterValidator(_of_an_execution)]
_WorkflowId = Annotated[str, Path(), AfterValidator(_of_a_workflow)]
_Id = Annotated[Line, Field(min_length=1, max_length=limits.NAME_MAX_CHARS)]
_Reason = Annotated[Prose, Field(max_length=limits.NOTE_MAX_CHARS)]
_Budget = Annotated[float, Field(gt=0, le=limits.BUDGET_MAX_USD, allow_inf_nan=False)]


class ExecuteWorkflow(Asking):
    """What an execution is given."""

    inputs: Annotated[dict[str, Any], Field(default_factory=dict, description="as the workflow's `inputs` say")]
    budget_usd: Annotated[
        _Budget | None, Field(description="what all that it starts may cost; the workflow's own budget holds besides")
    ] = None
    dry_run: Annotated[
        StrictBool, Field(description="start nothing: say what would be asked, and the most that it may cost")
    ] = False


class CancelExecution(Asking):
    """Why it is cancelled."""

    reason: _Reason = ""


class RetryExecution(Asking):
    """The step to go on from, and values that take the place of its own."""

    step: _Id
    values: Annotated[dict[str, Any], Field(default_factory=dict, description="such as {question: ...}")]


class SendSignal(Asking):
    """A named event."""

    name: _Id
    payload: Annotated[dict[str, Any], Field(default_factory=dict)]


# --- Routes


@workflow_executions.post(
    "/api/workflows/{workflow_id}/execute",
    needs=WORKFLOWS_EXECUTE,
    gives=ExecutionView,
    status=202,
    refuses=(403, 409),
    describes={200: {"model": DryRun, "description": "With `dry_run`: nothing was started"}},
)
async def execute(
    call: Call[ExecutionPorts],
    workflow_id: _WorkflowId,
    body: ExecuteWorkflow,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Start an execution of the workflow's latest version. It needs the rights for what its steps do. The same
    Idempotency-Key returns the execution that it started first."""
    head, _ = await call.ports.workflows.get(workflow_id, reach(call))
    pinned = await call.ports.definitions.pinned(workflow_id, head.version)
    definition = pinned.definition
    _check_rights(call, rights_needed(definition))
    started = first_event(
        pinned,
        body.inputs,
        execution_id=new_id(PREFIX),
        started_by=call.who.user_id,
        org_id=call.who.org_id,
        workspace=head.workspace,
        now=call.ports.clock.now(),
        budget_micros=None if body.budget_usd is None else micros_of(body.budget_usd),
    )
    if body.dry_run:
        return json_response(_dry(definition, started.budget_micros), headers=UNCACHED)
    async with _noted(call, "execute", workflow_id, execution=started.execution_id, digest=pinned.digest):
        kept = await call.ports.commands.start(started, _idempotency(idempotency_key, workflow_id, body))
    headers = {**UNCACHED, "Location": f"/api/workflow-executions/{kept.record.execution_id}"}
    return json_response(execution_view(kept.record), 202, headers)


@workflow_executions.get("/api/workflow-executions", needs=WORKFLOWS_READ, gives=ExecutionList)
async def listing(
    call: Call[ExecutionPorts],
    *,
    status: ExecutionStatus | None = None,
    workflow: Annotated[_Id | None, Query(description="the id of a workflow")] = None,
    started_by: Annotated[_Id | None, Query(description="a user's id")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[Line | None, Query(max_length=512)] = None,
    workspace: Workspaces = None,
) -> Response:
    """Those of a workspace, newest first; `next_cursor` leads to the next page and is null on the last."""
    wanted = Wanted(status, workflow, started_by)
    page = await call.ports.executions.page(covered(call, workspace), wanted, cursor=cursor, limit=limit)
    shown = {"executions": [execution_view(one) for one in page.items], "next_cursor": page.next_cursor}
    return json_response(shown, headers=UNCACHED)


@workflow_executions.get(
    "/api/workflow-executions/{execution_id}", needs=WORKFLOWS_READ, gives=ExecutionDetail, refuses=(409,)
)
async def get(call: Call[ExecutionPorts], execution_id: _ExecutionId) -> Response:
    """An execution: what it was given, what it waits for, what its steps gave so far, and what came of it."""
    record = await call.ports.executions.get(execution_id, reach(call))
    try:
        outline = await call.ports.looking.look(record, outlined)
    except (Unreadable, ValueError, KeyError) as broken:
        raise damaged() from broken
    shown = {
        **execution_view(record),
        "inputs": outline.inputs,
        "outputs": None if record.outputs is None else decode(record.outputs),
        "open": [to_plain(one) for one in outline.open],
        "open_count": outline.open_count,
        "steps": outline.steps,
        "left_out": outline.left_out,
    }
    return json_response(shown, headers=UNCACHED)


@workflow_executions.get(
    "/api/workflow-executions/{execution_id}/events",
    needs=WORKFLOWS_READ,
    gives=EventPage,
    describes={
        200: {"description": "a page, or with Accept: text/event-stream a stream", "content": {MEDIA_TYPE: {}}},
    },
)
async def events(
    call: Call[ExecutionPorts],
    execution_id: _ExecutionId,
    *,
    after: Annotated[int, Query(ge=0, le=MAX_SEQ)] = 0,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 500,
    wait_s: Annotated[
        float, Query(ge=0, le=WAIT_MAX_S, description="seconds to wait for an event where there is none yet")
    ] = 0.0,
    last_event_id: LastEventId = None,
) -> Response:
    """Envelopes with seq > `after`, in order; fewer than `limit` where they are large. With `wait_s` the answer waits
    for the next one, where there is none. As a stream: those, then what follows, until nothing more comes by itself;
    then the event `end_of_events`."""
    ports = call.ports
    state = await ports.journals.state(execution_id, reach(call))
    if is_wanted(call.request):
        return EventStream(
            ports.followed,
            ports.sockets,
            execution_id,
            resume_at(after, last_event_id),
            call.caller,
            clock=ports.clock,
            bound=call.config.ws_send_queue,
        )
    rows = await ports.executions.events(execution_id, after, limit)
    if not rows and wait_s > 0 and not state.over and await _more(ports.feed, execution_id, after, wait_s):
        rows = await ports.executions.events(execution_id, after, limit)
    body = f'{{"events":[{",".join(rows)}],"next_after":{after + len(rows)}}}'
    return Response(body, media_type="application/json", headers=UNCACHED)


@workflow_executions.get("/api/workflow-executions/{execution_id}/receipt", needs=WORKFLOWS_READ, gives=SignedReceipt)
async def receipt(
    call: Call[ExecutionPorts],
    execution_id: _ExecutionId,
    format: Form = "json",  # noqa: A002  # as of the receipts of debates
) -> Response:
    """The signed receipt of the execution's last end; as JSON to the byte: `aragora verify` checks it without a server.
    404 where it has none (yet): one is issued a moment after the end. It stays when the execution is deleted."""
    receipt_id = await call.ports.executions.receipt_id(execution_id, reach(call))
    if receipt_id is None:
        raise NotFound("The execution has no receipt: one is issued when it ends.", code="no_receipt")
    return await receipt_response(await call.ports.receipts.document(receipt_id), format, UNCACHED)


@workflow_executions.post(
    "/api/workflow-executions/{execution_id}/pause", needs=WORKFLOWS_EXECUTE, gives=StandingView, refuses=(409,)
)
async def pause(call: Call[ExecutionPorts], execution_id: _ExecutionId) -> Response:
    """From now on nothing begins; what is under way ends."""
    await call.ports.executions.get(execution_id, reach(call))
    async with _noted(call, "pause", execution_id):
        return standing_response(await call.ports.commands.pause(execution_id, call.who.user_id))


@workflow_executions.post(
    "/api/workflow-executions/{execution_id}/resume", needs=WORKFLOWS_EXECUTE, gives=StandingView, refuses=(409,)
)
async def resume(call: Call[ExecutionPorts], execution_id: _ExecutionId) -> Response:
    """It goes on."""
    await call.ports.executions.get(execution_id, reach(call))
    async with _noted(call, "resume", execution_id):
        return standing_response(await call.ports.commands.resume(execution_id, call.who.user_id))


@workflow_executions.post(
    "/api/workflow-executions/{execution_id}/cancel", needs=WORKFLOWS_EXECUTE, gives=StandingView, refuses=(409,)
)
async def cancel(
    call: Call[ExecutionPorts], execution_id: _ExecutionId, body: CancelExecution | None = None
) -> Response:
    """It ends, also while it waits or is paused, after the steps that undo what was done."""
    await call.ports.executions.get(execution_id, reach(call))
    reason = "" if body is None else body.reason
    async with _noted(call, "cancel", execution_id):
        return standing_response(await call.ports.commands.cancel(execution_id, call.who.user_id, reason))


@workflow_executions.post(
    "/api/workflow-executions/{execution_id}/retry", needs=WORKFLOWS_EXECUTE, gives=StandingView, refuses=(409,)
)
async def retry(
    call: Call[ExecutionPorts],
    execution_id: _ExecutionId,
    body: RetryExecution,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Go on from a step of an execution that failed or was cancelled, with other values where they are given. What ran
    after that step runs anew. The same Idempotency-Key retries it once."""
    await call.ports.executions.get(execution_id, reach(call))
    by = call.who.user_id
    request_id = _request_id("retry", by, idempotency_key, (body.step, body.values)) if idempotency_key else ""
    async with _noted(call, "retry", execution_id, step=body.step):
        standing = await call.ports.commands.retry(execution_id, by, body.step, body.values, request_id)
    return standing_response(standing)


@workflow_executions.post(
    "/api/workflow-executions/{execution_id}/signals", needs=WORKFLOWS_EXECUTE, gives=StandingView, refuses=(409, 413)
)
async def signal(
    call: Call[ExecutionPorts], execution_id: _ExecutionId, body: SendSignal, idempotency_key: IdempotencyKey = None
) -> Response:
    """Send a named event. One that comes before a step waits for it is kept. The same Idempotency-Key sends it once."""
    await call.ports.executions.get(execution_id, reach(call))
    by, signal_id = call.who.user_id, new_id("signal")
    if idempotency_key is not None:
        signal_id = _request_id("signal", by, idempotency_key, (body.name, body.payload))
    async with _noted(call, "signal", execution_id, name=body.name):
        standing = await call.ports.commands.signal(execution_id, body.name, body.payload, signal_id, by)
    return standing_response(standing)


async def _more(feed: EventFeed, execution_id: str, after: int, limit_s: float) -> bool:
    """Whether an event with seq > `after` came within so many seconds."""
    try:
        async with asyncio.timeout(limit_s), aclosing(feed.follow(execution_id, after)) as coming:
            async for _ in coming:
                return True
    except TimeoutError:
        return False
    return False


def _dry(definition: Definition, budget_micros: int | None) -> dict[str, Any]:
    """What an execution would ask, and the most that it may run and cost."""
    bounds = checked(definition).bounds
    most = [] if budget_micros is None else [budget_micros / MICROS]
    if bounds is not None and bounds.usd is not None:
        most.append(bounds.usd)
    steps = [{"id": step.id, "type": step.type, "title": step.title or step.id} for step in definition.steps]
    runs = 0 if bounds is None else bounds.step_runs
    return {"ok": True, "step_runs": runs, "usd": min(most, default=None), "steps": steps}


def _check_rights(call: Call[ExecutionPorts], needed: frozenset[str]) -> None:
    """Raises Forbidden where the caller may not do what the steps do: they are done in the caller's name."""
    missing = sorted(one for one in needed if not one.startswith("role:") and one not in call.who.permissions)
    if missing:
        raise Forbidden(f"The steps of this workflow need {', '.join(missing)}: ask somebody who may, to start it.")


def _idempotency(key: str | None, workflow_id: str, body: ExecuteWorkflow) -> Idempotency | None:
    if key is None:
        return None
    asked = (workflow_id, body.inputs, body.budget_usd)
    return Idempotency(key, blake2b(encode(asked), digest_size=16).hexdigest())


def _request_id(prefix: str, person: str, key: str, asked: object) -> str:
    """What names a request of a person, and, behind the point, what it asks for."""
    named, digest = (blake2b(each, digest_size=16).hexdigest() for each in (f"{person} {key}".encode(), encode(asked)))
    return f"{prefix}_{named}.{digest}"


@asynccontextmanager
async def _noted(call: Call[ExecutionPorts], act: str, target: str, **details: str) -> AsyncIterator[None]:
    """Audit an act, then do the block; where it is refused, a second entry says so."""
    who = call.who

    async def note(outcome: Outcome, /, **of: str) -> None:
        await call.ports.audit.note(
            call.visit, f"execution.{act}", who.actor, who.org_id, outcome, subject=who.user_id, target=target, **of
        )

    async with audited(note, **details):
        yield
