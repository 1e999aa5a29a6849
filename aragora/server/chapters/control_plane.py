"""The control plane: tasks that agents claim, and which agents to give them to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, Field, StrictBool
from starlette.responses import Response

from aragora import limits
from aragora.clock import Clock
from aragora.control_plane.advising import ADVISED, ADVISED_MAX, Advising, Basis, told
from aragora.control_plane.model import (
    ATTEMPTS,
    ATTEMPTS_MAX,
    CAPABILITIES_MAX,
    CAPABILITY_MAX_CHARS,
    ERROR_MAX_CHARS,
    LEASE_MAX_S,
    LEASE_MIN_S,
    LEASE_S,
    PRIORITY,
    PRIORITY_MAX,
    TYPE_MAX_CHARS,
    Agent,
    Attempt,
    Holding,
    How,
    NewTask,
    Task,
    TaskState,
    checked_capabilities,
)
from aragora.control_plane.store.tasks import TaskStore, Wanted
from aragora.control_plane.store.write_group import unknown_task
from aragora.control_plane.tasking import PREFIX, Tasks, checked_json
from aragora.encoding import decode
from aragora.errors import InvalidInput
from aragora.identity import workspaces
from aragora.identity.rbac import TASKS_READ, TASKS_WRITE
from aragora.server.chapter import Call, Chapter
from aragora.server.knowledge import Asking, covered, reach
from aragora.server.moments import Moment
from aragora.server.schemas import IdempotencyKey, Line, Prose, Workspace, Workspaces
from aragora.server.views import UNCACHED, json_response

_TASK_ID: Final = re.compile(rf"{PREFIX}_[0-9a-f]{{32}}")
_LATENCY_MAX_MS: Final = limits.MOMENT_MAX_S
_TOKEN_MAX: Final = 2**53


@dataclass(frozen=True, slots=True)
class ControlPlanePorts:
    """What these routes call. The store connects with its first use."""

    tasks: Tasks
    store: TaskStore
    advising: Advising
    clock: Clock


control_plane: Chapter[ControlPlanePorts] = Chapter("control plane")


def _of_a_task(text: str) -> str:
    """Raises NotFound for what no task is called, before any store is asked."""
    if _TASK_ID.fullmatch(text) is None:
        raise unknown_task()
    return text


def _json(value: Any) -> Any:
    """A JSON value that can be kept. Raises ValueError."""
    try:
        checked_json(value)
    except InvalidInput as refused:
        raise ValueError(refused.message) from None
    return value


_TaskId = Annotated[str, Path(), AfterValidator(_of_a_task)]
_AgentId = Annotated[Line, Field(min_length=1, max_length=limits.NAME_MAX_CHARS)]
_Type = Annotated[Line, Field(min_length=1, max_length=TYPE_MAX_CHARS)]
_Capability = Annotated[Line, Field(min_length=1, max_length=CAPABILITY_MAX_CHARS)]
_Capabilities = Annotated[tuple[_Capability, ...], Field(max_length=CAPABILITIES_MAX)]
_Lease = Annotated[
    float, Field(ge=LEASE_MIN_S, le=LEASE_MAX_S, description="seconds that the task stays with the agent")
]
_Token = Annotated[
    int | None,
    Field(
        ge=0,
        le=_TOKEN_MAX,
        description="the `fencing_token` that the claim brought; without it whoever has the agent's name may act",
    ),
]
_Latency = Annotated[
    float | None, Field(ge=0, le=_LATENCY_MAX_MS, description="milliseconds; unsaid: the time since the claim")
]
_Cost = Annotated[float, Field(ge=0, le=limits.REPLY_MAX_USD, description="what the attempt cost, in US dollars")]


class CreateTask(Asking):
    """Something to be done by an agent."""

    type: Annotated[_Type, Field(description="what kind of task it is, such as `review`")]
    payload: Annotated[
        dict[str, Any],
        AfterValidator(_json),
        Field(default_factory=dict, description="what its agent needs to know: JSON, 64 KB at most"),
    ]
    capabilities: Annotated[_Capabilities, Field(description="what an agent must be able to do, all of them")] = ()
    priority: Annotated[int, Field(ge=0, le=PRIORITY_MAX, description="9 goes first")] = PRIORITY
    deadline: Annotated[Moment | None, Field(description="it is not given out after that")] = None
    max_attempts: Annotated[int, Field(ge=1, le=ATTEMPTS_MAX, description="then it is a dead letter")] = ATTEMPTS
    workspace: Annotated[Workspace | None, Field(description="unsaid: the API key's, else `default`")] = None


class ClaimTask(Asking):
    """The agent that takes a task."""

    agent_id: _AgentId
    capabilities: Annotated[
        _Capabilities | None, Field(description="what it can do; unsaid: that with which it is registered")
    ] = None
    lease_s: _Lease = LEASE_S


class ClaimNext(ClaimTask):
    """The agent that takes the most urgent task that fits it."""

    workspace: Annotated[Workspace | None, Field(description="unsaid: the API key's, else `default`")] = None


class KeepTask(Asking):
    """The agent that is still at it."""

    agent_id: _AgentId
    fencing_token: _Token = None
    lease_s: _Lease = LEASE_S


class CompleteTask(Asking):
    """What came of a task."""

    agent_id: _AgentId
    fencing_token: _Token = None
    result: Annotated[Any, AfterValidator(_json), Field(description="JSON, 64 KB at most")] = None
    latency_ms: _Latency = None
    cost_usd: _Cost = 0.0


class FailTask(Asking):
    """Why an attempt failed."""

    agent_id: _AgentId
    fencing_token: _Token = None
    error: Annotated[Prose, Field(min_length=1, max_length=ERROR_MAX_CHARS)]
    again: Annotated[StrictBool, Field(description="false: no other attempt can do better")] = True
    latency_ms: _Latency = None
    cost_usd: _Cost = 0.0


class RegisterAgent(Asking):
    """What an agent can do, in place of what was known of it."""

    agent_id: _AgentId
    capabilities: _Capabilities
    workspace: Annotated[Workspace | None, Field(description="unsaid: the API key's, else `default`")] = None


class AgentQuery(Asking):
    """Which agent is meant."""

    agent_id: _AgentId
    workspace: Annotated[Workspace | None, Field(description="unsaid: the API key's, else `default`")] = None


class TaskView(BaseModel):
    task_id: str
    workspace: str
    type: str
    payload: dict[str, Any]
    capabilities: list[str]
    priority: int
    deadline: float | None
    state: TaskState
    attempts: Annotated[int, Field(description="how often it was claimed since it was made, or retried by a person")]
    max_attempts: int
    fencing_token: Annotated[int, Field(description="of its newest claim; each claim brings a higher one")]
    agent_id: Annotated[str | None, Field(description="who claimed it last")]
    due_at: Annotated[float, Field(description="it is given out from then on")]
    lease_until: Annotated[float | None, Field(description="null where nobody holds it")]
    created_at: float
    created_by: str
    updated_at: float
    ended_at: float | None
    result: Any
    error: Annotated[str | None, Field(description="why the last attempt failed, or why it is a dead letter")]
    latency_ms: float | None
    cost_usd: Annotated[float, Field(description="of all its attempts")]


class AttemptView(BaseModel):
    fencing_token: int
    agent_id: str
    how: How
    at: float
    latency_ms: float
    cost_usd: float
    error: str | None


class TaskDetail(TaskView):
    history: Annotated[list[AttemptView], Field(description="the attempts that are over, the first one first")]


class NextTask(BaseModel):
    task: Annotated[TaskView | None, Field(description="null where nothing waits that fits")]


class TaskList(BaseModel):
    tasks: list[TaskView]
    next_cursor: str | None


class AgentView(BaseModel):
    agent_id: str
    workspace: str
    capabilities: list[str]
    registered_at: float
    updated_at: float
    registered_by: str


class AgentList(BaseModel):
    agents: list[AgentView]


class RecommendationView(BaseModel):
    agent_id: str
    capability: Annotated[str, Field(description="what was asked for")]
    success_rate: Annotated[
        float,
        Field(
            description="the mean of what it may be: (1 + successes) / (2 + trials), "
            "each weighing half as much every 30 days"
        ),
    ]
    avg_duration_seconds: Annotated[float | None, Field(description="of its successes")]
    confidence: Annotated[float, Field(description="the lower end of `interval`: the order is by it")]
    trials: int
    successes: int
    mean: float
    interval: Annotated[list[float], Field(description="where the rate lies with 90 %")]
    median_latency_ms: float | None
    mean_cost_usd: float | None
    last_seen: float | None
    in_catalogue: bool
    breaker_open: Annotated[bool, Field(description="it is not asked now")]
    basis: Basis


class RecommendationList(BaseModel):
    basis: Annotated[Basis, Field(description="`catalogue`: nothing is learnt from outcomes (CP_ENABLE_KM)")]
    recommendations: list[RecommendationView]


# --- Routes: `claim` stands before {task_id}


@control_plane.post(
    "/api/control-plane/tasks",
    needs=TASKS_WRITE,
    gives=TaskView,
    status=201,
    refuses=(409,),
    describes={200: {"model": TaskView, "description": "the same key made it before"}},
)
async def create(call: Call[ControlPlanePorts], body: CreateTask, idempotency_key: IdempotencyKey = None) -> Response:
    """Give a task to whoever can do it. The same Idempotency-Key returns the task that it made first."""
    new = NewTask(
        type=body.type,
        payload=checked_json(body.payload),
        capabilities=checked_capabilities(body.capabilities),
        priority=body.priority,
        deadline=body.deadline,
        attempts_max=body.max_attempts,
        org_id=call.who.org_id,
        workspace=workspaces.chosen(call.who, body.workspace),
        created_by=call.who.user_id,
    )
    made = await call.ports.tasks.submit(new, idempotency_key)
    headers = {**UNCACHED, "Location": f"/api/control-plane/tasks/{made.task.task_id}"}
    return json_response(_view(made.task), 201 if made.created else 200, headers)


@control_plane.get("/api/control-plane/tasks", needs=TASKS_READ, gives=TaskList)
async def listing(
    call: Call[ControlPlanePorts],
    *,
    state: TaskState | None = None,
    type: Annotated[_Type | None, Query()] = None,  # noqa: A002  the name of the field
    agent_id: Annotated[_AgentId | None, Query(description="who claimed it last")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[Line | None, Query(max_length=512)] = None,
    workspace: Workspaces = None,
) -> Response:
    """Those of a workspace, newest first; `next_cursor` leads to the next page and is null on the last."""
    wanted = Wanted(state, type, agent_id)
    page = await call.ports.store.page(covered(call, workspace), wanted, cursor=cursor, limit=limit)
    shown = {"tasks": [_view(one) for one in page.items], "next_cursor": page.next_cursor}
    return json_response(shown, headers=UNCACHED)


@control_plane.post("/api/control-plane/tasks/claim", needs=TASKS_WRITE, gives=NextTask, missing=True)
async def claim_next(call: Call[ControlPlanePorts], body: ClaimNext) -> Response:
    """Take the most urgent task of a workspace that waits and fits: the highest priority first, then the oldest. `task`
    is null where there is none."""
    workspace = workspaces.chosen(call.who, body.workspace)
    task = await call.ports.tasks.claim_next(
        call.who.org_id, workspace, body.agent_id, _able(body), lease_s=body.lease_s
    )
    return json_response({"task": None if task is None else _view(task)}, headers=UNCACHED)


@control_plane.get("/api/control-plane/tasks/{task_id}", needs=TASKS_READ, gives=TaskDetail)
async def get(call: Call[ControlPlanePorts], task_id: _TaskId) -> Response:
    """One task, with the attempts at it that are over."""
    task = await call.ports.store.get(task_id, reach(call))
    history = [_attempt(one) for one in await call.ports.store.attempts(task_id)]
    return json_response({**_view(task), "history": history}, headers=UNCACHED)


@control_plane.post("/api/control-plane/tasks/{task_id}/claim", needs=TASKS_WRITE, gives=TaskView, refuses=(409,))
async def claim(call: Call[ControlPlanePorts], task_id: _TaskId, body: ClaimTask) -> Response:
    """Take this task: it is the agent's until `lease_until`. 409 where another one has it, it has ended, waits before
    its next attempt, or wants what the agent cannot do."""
    return _shown(await call.ports.tasks.claim(task_id, reach(call), body.agent_id, _able(body), lease_s=body.lease_s))


@control_plane.post("/api/control-plane/tasks/{task_id}/heartbeat", needs=TASKS_WRITE, gives=TaskView, refuses=(409,))
async def heartbeat(call: Call[ControlPlanePorts], task_id: _TaskId, body: KeepTask) -> Response:
    """Keep the task for `lease_s` more seconds from now. 409 tells the agent that it has lost it."""
    return _shown(await call.ports.tasks.heartbeat(task_id, reach(call), _holding(body), lease_s=body.lease_s))


@control_plane.post("/api/control-plane/tasks/{task_id}/complete", needs=TASKS_WRITE, gives=TaskView, refuses=(409,))
async def complete(call: Call[ControlPlanePorts], task_id: _TaskId, body: CompleteTask) -> Response:
    """The task is done. The same result again gets the same answer, another one 409."""
    done = await call.ports.tasks.complete(
        task_id,
        reach(call),
        _holding(body),
        checked_json(body.result),
        latency_ms=body.latency_ms,
        cost_usd=body.cost_usd,
    )
    return _shown(done)


@control_plane.post("/api/control-plane/tasks/{task_id}/fail", needs=TASKS_WRITE, gives=TaskView, refuses=(409,))
async def fail(call: Call[ControlPlanePorts], task_id: _TaskId, body: FailTask) -> Response:
    """The attempt failed: the task waits for another one, or is a dead letter once its attempts are used up. With
    `again` false it has failed for good."""
    failed = await call.ports.tasks.fail(
        task_id,
        reach(call),
        _holding(body),
        body.error,
        again=body.again,
        latency_ms=body.latency_ms,
        cost_usd=body.cost_usd,
    )
    return _shown(failed)


@control_plane.post("/api/control-plane/tasks/{task_id}/retry", needs=TASKS_WRITE, gives=TaskView, refuses=(409,))
async def retry(call: Call[ControlPlanePorts], task_id: _TaskId) -> Response:
    """Try a task again that failed for good or is a dead letter, with all its attempts."""
    return _shown(await call.ports.tasks.retry(task_id, reach(call)))


@control_plane.post("/api/control-plane/tasks/{task_id}/cancel", needs=TASKS_WRITE, gives=TaskView, refuses=(409,))
async def cancel(call: Call[ControlPlanePorts], task_id: _TaskId) -> Response:
    """Nobody wants it any more: it is taken from whoever holds it. Cancelling twice is once."""
    return _shown(await call.ports.tasks.cancel(task_id, reach(call)))


@control_plane.post("/api/control-plane/agents", needs=TASKS_WRITE, gives=AgentView, refuses=(409,))
async def register(call: Call[ControlPlanePorts], body: RegisterAgent) -> Response:
    """Say what an agent can do, so that it need not say it with each claim, and is recommended."""
    now = call.ports.clock.now()
    workspace = workspaces.chosen(call.who, body.workspace)
    can = checked_capabilities(body.capabilities)
    agent = Agent(call.who.org_id, workspace, body.agent_id, can, call.who.user_id, now, now)
    return json_response(_agent(await call.ports.store.register(agent)), headers=UNCACHED)


@control_plane.get("/api/control-plane/agents", needs=TASKS_READ, gives=AgentList)
async def agents(call: Call[ControlPlanePorts], workspace: Workspaces = None) -> Response:
    """The agents that are registered in a workspace, by name: an organisation has 1,000 at most."""
    found = await call.ports.store.agents(covered(call, workspace))
    return json_response({"agents": [_agent(one) for one in found]}, headers=UNCACHED)


@control_plane.delete("/api/control-plane/agents", needs=TASKS_WRITE, gives=None, status=204, missing=True)
async def unregister(call: Call[ControlPlanePorts], query: Annotated[AgentQuery, Query()]) -> Response:
    """Let an agent be registered no more. Tasks that it holds stay with it."""
    workspace = workspaces.chosen(call.who, query.workspace)
    await call.ports.store.unregister(call.who.org_id, workspace, query.agent_id)
    return Response(status_code=204)


@control_plane.get("/api/control-plane/recommendations", needs=TASKS_READ, gives=RecommendationList)
async def recommendations(
    call: Call[ControlPlanePorts],
    task_type: Annotated[_Type, Query(description="a type of task, or a capability")],
    *,
    limit: Annotated[int, Query(ge=1, le=ADVISED_MAX)] = ADVISED,
    workspace: Workspaces = None,
) -> Response:
    """Which agents to give such tasks to, the surest first: by the lower end of the interval in which the rate of their
    successes lies, so that one success of one says less than 900 of 1,000."""
    advice = await call.ports.advising.advise(covered(call, workspace), task_type, limit)
    shown = {"basis": advice.basis, "recommendations": told(advice)}
    return json_response(shown, headers=UNCACHED)


def _able(body: ClaimTask) -> tuple[str, ...] | None:
    return None if body.capabilities is None else checked_capabilities(body.capabilities)


def _holding(body: KeepTask | CompleteTask | FailTask) -> Holding:
    return Holding(body.agent_id, body.fencing_token)


def _shown(task: Task) -> Response:
    return json_response(_view(task), headers=UNCACHED)


def _view(task: Task) -> dict[str, Any]:
    return {
        "task_id": task.task_id,
        "workspace": task.workspace,
        "type": task.type,
        "payload": decode(task.payload),
        "capabilities": task.capabilities,
        "priority": task.priority,
        "deadline": task.deadline,
        "state": task.state,
        "attempts": task.attempts,
        "max_attempts": task.attempts_max,
        "fencing_token": task.fence,
        "agent_id": task.agent_id,
        "due_at": task.due_at,
        "lease_until": task.lease_until,
        "created_at": task.created_at,
        "created_by": task.created_by,
        "updated_at": task.updated_at,
        "ended_at": task.ended_at,
        "result": None if task.result is None else decode(task.result),
        "error": task.error,
        "latency_ms": task.latency_ms,
        "cost_usd": task.cost_usd,
    }


def _attempt(one: Attempt) -> dict[str, Any]:
    return {
        "fencing_token": one.fence,
        "agent_id": one.agent_id,
        "how": one.how,
        "at": one.at,
        "latency_ms": one.latency_ms,
        "cost_usd": one.cost_usd,
        "error": one.error,
    }


def _agent(agent: Agent) -> dict[str, Any]:
    return {
        "agent_id": agent.agent_id,
        "workspace": agent.workspace,
        "capabilities": agent.capabilities,
        "registered_at": agent.registered_at,
        "updated_at": agent.updated_at,
        "registered_by": agent.registered_by,
    }
