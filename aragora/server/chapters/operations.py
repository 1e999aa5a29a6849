"""What an operator looks at: WebSocket figures and circuit breakers."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from aragora.identity.rbac import ADMIN, PUBLIC
from aragora.server.policy import require, services_of
from aragora.server.schemas import Breakers, SocketStats, failures
from aragora.server.views import json_response

router = APIRouter(tags=["operations"])


@router.get("/api/ws/stats", dependencies=[require(PUBLIC)], response_model=SocketStats, responses=failures(503))
async def websocket_stats(request: Request) -> Response:
    """WebSocket figures over all replicas."""
    return json_response(await services_of(request).connections.totals())


@router.get("/api/circuit-breakers", dependencies=[require(PUBLIC)], response_model=Breakers, responses=failures(503))
async def circuit_breakers(request: Request) -> Response:
    """Every agent's circuit breaker."""
    return await _breakers(request)


@router.get(
    "/api/system/circuit-breakers",
    dependencies=[require(ADMIN)],
    response_model=Breakers,
    responses=failures(401, 403, 503),
)
async def system_circuit_breakers(request: Request) -> Response:
    """The same for the admin console."""
    return await _breakers(request)


async def _breakers(request: Request) -> Response:
    return json_response({"circuit_breakers": await services_of(request).agents.breakers()})
