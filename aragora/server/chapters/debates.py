"""Opening, finding, reading and steering debates."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request
from starlette.responses import Response

from aragora.debate.model import DebateStatus
from aragora.identity.rbac import DEBATES_CREATE, DEBATES_READ
from aragora.server import views
from aragora.server.failures import REQUEST_ID
from aragora.server.policy import caller_of, require, services_of
from aragora.server.ports import OpenDebate
from aragora.server.schemas import (
    CancelledDebate,
    CastVote,
    CreateDebate,
    DebateDetail,
    DebateList,
    Recorded,
    Ticket,
    failures,
)
from aragora.server.views import json_response

router = APIRouter(tags=["debates"])

DebateId = Annotated[str, Path(min_length=1, max_length=128)]
_Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255)]


@router.post(
    "/api/debates",
    status_code=202,
    dependencies=[require(DEBATES_CREATE)],
    response_model=Ticket,
    responses=failures(401, 403, 409, 413, 422, 429, 503),
)
async def create(request: Request, body: CreateDebate, idempotency_key: _Key = None) -> Response:
    """Open a debate; it runs on its own. The same Idempotency-Key returns the debate it opened first."""
    services = services_of(request)
    ticket = await services.debates.open(
        OpenDebate(
            question=body.question,
            agents=tuple(body.agents),
            protocol=body.protocol,
            rounds=body.rounds,
            consensus=body.consensus,
            topology=body.topology,
            context=body.context,
            domain=body.domain,
            budget_usd=body.budget_usd,
            created_by=caller_of(request).user_id,
            org_id=caller_of(request).org_id,
            idempotency_key=idempotency_key,
            request_id=request.scope[REQUEST_ID],
        )
    )
    view = {"debate_id": ticket.debate_id, "status": ticket.status, "ws_url": services.config.ws_url}
    return json_response(view, 202, {"Location": f"/api/debates/{ticket.debate_id}"})


@router.get(
    "/api/debates",
    dependencies=[require(DEBATES_READ)],
    response_model=DebateList,
    responses=failures(401, 403, 422, 503),
)
async def listing(
    request: Request,
    status: DebateStatus | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=512)] = None,
) -> Response:
    """Newest first; `next_cursor` leads to the next page and is null on the last."""
    page = await services_of(request).reader.page(
        status=status, limit=limit, cursor=cursor, org_id=caller_of(request).org_scope
    )
    return json_response({"debates": [views.summary(item) for item in page.items], "next_cursor": page.next_cursor})


@router.get(
    "/api/debates/{debate_id}",
    dependencies=[require(DEBATES_READ)],
    response_model=DebateDetail,
    responses=failures(401, 403, 404, 422, 503),
)
async def get(request: Request, debate_id: DebateId) -> Response:
    """One debate, with its decision once there is one."""
    record = await services_of(request).reader.get(debate_id, caller_of(request).org_scope)
    return json_response(views.detail(record))


@router.post(
    "/api/debates/{debate_id}/cancel",
    dependencies=[require(DEBATES_CREATE)],
    response_model=CancelledDebate,
    responses=failures(401, 403, 404, 409, 422, 503),
)
async def cancel(request: Request, debate_id: DebateId) -> Response:
    """End a debate before its time; what was said stays in its journal."""
    services = services_of(request)
    await services.reader.get(debate_id, caller_of(request).org_scope)
    ticket = await services.debates.cancel(debate_id, caller_of(request).user_id)
    return json_response({"debate_id": ticket.debate_id, "status": ticket.status})


@router.post(
    "/api/debates/{debate_id}/votes",
    status_code=201,
    dependencies=[require(DEBATES_CREATE)],
    response_model=Recorded,
    responses=failures(401, 403, 404, 409, 413, 422, 503),
)
async def vote(request: Request, debate_id: DebateId, body: CastVote) -> Response:
    """A person's vote for an answer, or a suggestion that all agents will read."""
    services = services_of(request)
    await services.reader.get(debate_id, caller_of(request).org_scope)
    if body.suggestion is not None:
        seq = await services.debates.suggest(debate_id, caller_of(request).user_id, body.suggestion)
    else:
        seq = await services.debates.vote(debate_id, caller_of(request).user_id, body.choice or "", body.intensity)
    return json_response({"debate_id": debate_id, "seq": seq}, 201)
