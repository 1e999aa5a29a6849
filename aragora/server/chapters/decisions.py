"""Settling questions: from what was decided before, or on the way that the rules choose."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any, Final

import msgspec
from fastapi import Header
from pydantic import BaseModel, Field
from starlette.responses import Response

from aragora.clock import Clock
from aragora.debate.machine.gate import USER
from aragora.debate.model import DebateStatus
from aragora.debate.proposition import Idempotency, Proposition
from aragora.decisions.deciding import Deciding, Settled
from aragora.decisions.entry import Entry
from aragora.decisions.router import Routed, Wanted
from aragora.decisions.rules import Stakes, Target
from aragora.decisions.store.requests import First, Request, Requests
from aragora.encoding import encode
from aragora.identity import workspaces
from aragora.identity.rbac import DEBATES_CREATE, DEBATES_READ
from aragora.identity.workspace_book import WorkspaceBook
from aragora.identity.writers import Writers
from aragora.server.chapter import Call, Chapter
from aragora.server.debate_asks import CreateDebate
from aragora.server.schemas import IdempotencyKey, Line
from aragora.server.suggested import Customs, Planner, with_suggested
from aragora.server.views import UNCACHED, json_response

TAGS_MAX: Final = 20
TAG_MAX_CHARS: Final = 100
AGE_MAX_S: Final = 366 * 86_400
DEADLINE_MAX_S: Final = 7 * 86_400
_OWN_CHOICE: Final = ("protocol", "agents", "rounds", "consensus", "topology")
"""What a caller that names one of these leaves to no rule."""
_NOT_CACHED: Final = re.compile(r"(?:^|,)\s*no-(?:cache|store)\s*(?:=[^,]*)?(?:,|$)", re.IGNORECASE)
_AGE: Final = re.compile(r"(?:^|,)\s*max-age\s*=\s*\"?(\d{1,9})\"?\s*(?:,|$)", re.IGNORECASE)
_IDEMPOTENT: Final = "as asked first with this Idempotency-Key"


@dataclass(frozen=True, slots=True)
class DecisionPorts:
    """What this route calls; `customs` is None where nothing is learnt."""

    deciding: Deciding
    requests: Requests
    planner: Planner
    customs: Customs | None
    writers: Writers
    workspaces: WorkspaceBook
    clock: Clock


decisions: Chapter[DecisionPorts] = Chapter("decisions")


class DecideQuestion(CreateDebate):
    """A question to settle. What is not named is chosen by the server's rules, and they say why."""

    stakes: Annotated[Stakes, Field(description="what hangs on the answer")] = Stakes.NORMAL
    deadline_s: Annotated[
        float | None,
        Field(gt=0, le=DEADLINE_MAX_S, description="seconds in which an answer is wanted; it chooses the way, no more"),
    ] = None
    max_age_s: Annotated[
        float | None, Field(ge=0, le=AGE_MAX_S, description="how old a decision may be that answers; unsaid: any kept")
    ] = None
    tags: Annotated[
        tuple[Annotated[Line, Field(min_length=1, max_length=TAG_MAX_CHARS)], ...],
        Field(max_length=TAGS_MAX, description="names by which an operator can invalidate the decision"),
    ] = ()

    def proposition(self, *, created_by: str, org_id: str, workspace: str) -> Proposition:
        """What is asked for, without what only the router looks at."""
        asked = {name: value for name, value in dict(self).items() if name not in _ROUTERS_OWN}
        return Proposition(**{**asked, "workspace": workspace}, created_by=created_by, org_id=org_id)


_ROUTERS_OWN: Final = frozenset(DecideQuestion.model_fields) - frozenset(CreateDebate.model_fields)


class RouteView(BaseModel):
    target: Annotated[Target, Field(description="cache, agent, debate or workflow")]
    rule: Annotated[str, Field(description="the rule that decided, or would have where the cache answers")]
    why: Annotated[str, Field(description="in words")]
    rules_version: str
    policy_version: str


class UnderWay(BaseModel):
    """Of a debate that was opened or joined, or a workflow that was started."""

    cached: Annotated[bool, Field(description="false")]
    debate_id: str | None
    status: DebateStatus | None
    joined: Annotated[bool, Field(description="the debate was running already, for an equal question")]
    ws_url: str
    workflow: str | None
    execution_id: str | None
    route: RouteView


class CachedDecision(BaseModel):
    """A decision that is given again. Its debate's events are read as ever: /api/debates/{debate_id}/events."""

    cached: Annotated[bool, Field(description="true")]
    debate_id: Annotated[str, Field(description="the debate that decided it")]
    status: DebateStatus
    question: Annotated[str, Field(description="as it was asked then")]
    near: Annotated[bool, Field(description="it was asked in other words then")]
    age_s: Annotated[float, Field(description="seconds since it was decided")]
    cost_usd: Annotated[float, Field(description="of this answer: 0")]
    saved_usd: Annotated[float, Field(description="what its debate cost")]
    ws_url: str
    decision: dict[str, Any]
    receipt: Annotated[dict[str, Any], Field(description="of the debate that decided it")]
    route: RouteView


@decisions.post(
    "/api/decisions",
    needs=DEBATES_CREATE,
    gives=CachedDecision,
    refuses=(409,),
    describes={202: {"model": UnderWay, "description": "a debate was opened or joined, or a workflow started"}},
)
async def decide(
    call: Call[DecisionPorts],
    body: DecideQuestion,
    idempotency_key: IdempotencyKey = None,
    cache_control: Annotated[Line | None, Header(alias="Cache-Control", max_length=500)] = None,
) -> Response:
    """Settle a question. 200 with a decision of before, where an equal question was decided in this workspace and
    nothing has changed since; else 202 with the debate that was opened for it, or is running for an equal one.
    `Cache-Control: no-cache` has it debated anew, `max-age=SECONDS` is as `max_age_s`. A decision of others is given
    only to who may read debates."""
    workspace = workspaces.chosen(call.who, body.workspace)
    await call.ports.workspaces.used(call.who, workspace, call.visit)
    named = [need.removeprefix(USER) for need in body.needs if need.startswith(USER)]
    if named:
        await call.ports.writers.check(named, call.who.org_id, workspace)
    asked = body.proposition(created_by=call.who.user_id, org_id=call.who.org_id, workspace=workspace)
    idempotency = Idempotency.of(idempotency_key, asked)
    request = None if idempotency is None else _request(asked, body, idempotency)
    repeated = None if request is None else await call.ports.requests.first(request)
    if repeated is not None:
        return await _again(call, repeated)
    proposition = await with_suggested(asked, body, call.ports.planner, call.ports.customs)
    wanted = _wanted(proposition, body, cache_control or "", shared=DEBATES_READ.permission in call.who.permissions)
    settled = await call.ports.deciding.settle(wanted, idempotency)
    if request is not None:
        await _remember(call, request, settled)
    if settled.routed.entry is not None:
        return _hit(call, settled.routed.entry, _route(settled.routed), near=settled.routed.near)
    return _ticket(call, settled)


def _request(asked: Proposition, body: DecideQuestion, idempotency: Idempotency) -> Request:
    """The request by its key: with what only the router looks at, it is another one where that differs."""
    more = {name: getattr(body, name) for name in sorted(_ROUTERS_OWN)}
    told = blake2b(encode((idempotency.request_hash, more)), digest_size=16).hexdigest()
    return Request(asked.org_id, asked.workspace, asked.created_by, idempotency.key, told)


def _wanted(proposition: Proposition, body: DecideQuestion, cache_control: str, *, shared: bool) -> Wanted:
    ages = [body.max_age_s, *(float(found) for found in _AGE.findall(cache_control))]
    return Wanted(
        proposition,
        stakes=body.stakes,
        deadline_s=body.deadline_s,
        named=tuple(name for name in _OWN_CHOICE if name in body.model_fields_set and getattr(body, name)),
        tags=body.tags,
        fresh=_NOT_CACHED.search(cache_control) is not None,
        max_age_s=min((age for age in ages if age is not None), default=None),
        shared=shared,
    )


async def _remember(call: Call[DecisionPorts], request: Request, settled: Settled) -> None:
    """What a workflow was started with, it remembers itself."""
    entry = settled.routed.entry
    debate = entry or settled.joined or settled.opened
    if debate is not None:
        first = First(debate.debate_id, entry is not None)
        await call.ports.requests.remember(request, first, call.ports.clock.now())


async def _again(call: Call[DecisionPorts], first: First) -> Response:
    """The answer to a request that was answered before."""
    entries = call.ports.deciding.router.entries
    entry, policy = await entries.of_debate(first.debate_id), await entries.policy()
    target = Target.CACHE if first.cached else Target.DEBATE
    route = {"target": target, "rule": _IDEMPOTENT, "why": _IDEMPOTENT, "rules_version": ""}
    route["policy_version"] = policy.version
    if first.cached and entry is not None and entry.decision is not None and entry.receipt is not None:
        return _hit(call, entry, route, near=False)
    status = DebateStatus.QUEUED if entry is None or entry.status is None else entry.status
    return _accepted(call, route, debate_id=first.debate_id, status=status)


def _hit(call: Call[DecisionPorts], entry: Entry, route: dict[str, Any], *, near: bool) -> Response:
    view = {
        "cached": True,
        "debate_id": entry.debate_id,
        "status": entry.status,
        "question": entry.question,
        "near": near,
        "age_s": round(entry.age_s(call.ports.clock.now()), 3),
        "cost_usd": 0.0,
        "saved_usd": entry.cost_usd,
        "ws_url": call.ws_url,
        "decision": msgspec.Raw((entry.decision or "null").encode()),
        "receipt": msgspec.Raw((entry.receipt or "null").encode()),
        "route": route,
    }
    return json_response(view, 200, {**UNCACHED, "Content-Location": f"/api/debates/{entry.debate_id}"})


def _ticket(call: Call[DecisionPorts], settled: Settled) -> Response:
    route = _route(settled.routed)
    if settled.started is not None:
        started = settled.started
        return _accepted(call, route, workflow=started.workflow, execution_id=started.execution_id)
    if settled.joined is not None:
        joined = settled.joined
        return _accepted(call, route, debate_id=joined.debate_id, status=joined.status, joined=True)
    assert settled.opened is not None, "a question was settled by nothing"
    return _accepted(call, route, debate_id=settled.opened.debate_id, status=settled.opened.status)


def _accepted(
    call: Call[DecisionPorts],
    route: dict[str, Any],
    *,
    debate_id: str | None = None,
    status: DebateStatus | None = None,
    joined: bool = False,
    workflow: str | None = None,
    execution_id: str | None = None,
) -> Response:
    view = {
        "cached": False,
        "debate_id": debate_id,
        "status": status,
        "joined": joined,
        "ws_url": call.ws_url,
        "workflow": workflow,
        "execution_id": execution_id,
        "route": route,
    }
    at = f"/api/debates/{debate_id}" if debate_id is not None else f"/api/workflow-executions/{execution_id}"
    return json_response(view, 202, {**UNCACHED, "Location": at})


def _route(routed: Routed) -> dict[str, Any]:
    return {
        "target": routed.target,
        "rule": routed.rule.name,
        "why": routed.why,
        "rules_version": routed.rules,
        "policy_version": routed.policy.version,
    }
