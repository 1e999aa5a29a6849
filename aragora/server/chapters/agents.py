"""The agents that can debate, and how they fare."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from aragora.identity.rbac import PUBLIC
from aragora.server.policy import require, services_of
from aragora.server.schemas import Agents, failures
from aragora.server.views import json_response

router = APIRouter(tags=["agents"])


@router.get("/api/agents/health", dependencies=[require(PUBLIC)], response_model=Agents, responses=failures(503))
async def agents_health(request: Request) -> Response:
    """Per agent: provider, model, breaker, last error, latencies. Wakes no agent."""
    return json_response({"agents": await services_of(request).agents.agents()})
