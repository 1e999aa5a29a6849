"""Is the server alive, ready, well? Public, cheap, and quiet about everything else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from aragora.errors import AragoraError
from aragora.identity.rbac import PUBLIC
from aragora.server.failures import failure
from aragora.server.policy import require, services_of
from aragora.server.schemas import Health, ReadyState, WebSocketHealth, failures
from aragora.server.views import json_response

router = APIRouter(tags=["health"])

_HEALTH: Final = {"ready": "healthy", "degraded": "degraded", "draining": "degraded"}
_RETRY_S: Final = 2.0


@router.get("/api/health", dependencies=[require(PUBLIC)], response_model=Health, responses=failures(503))
async def health(request: Request) -> Response:
    """`healthy`, `degraded` (working with a part away, or draining), or 503 `unhealthy` (not working yet)."""
    services = services_of(request)
    readiness = await services.lifecycle.readiness()
    view = {
        "status": _HEALTH.get(readiness.state, "unhealthy"),
        "version": services.config.version,
        "uptime": int(services.lifecycle.uptime_s()),
    }
    if view["status"] == "unhealthy":
        return _not_ready(request, readiness.state, readiness.reasons, view)
    return json_response(view)


@router.get("/api/health/live", dependencies=[require(PUBLIC)], response_model=ReadyState)
async def live(request: Request) -> Response:  # noqa: ARG001  # one shape for all handlers of this chapter
    """This process answers; nothing more is claimed."""
    return json_response({"status": "live", "reasons": ()})


@router.get("/api/health/ready", dependencies=[require(PUBLIC)], response_model=ReadyState, responses=failures(503))
async def ready(request: Request) -> Response:
    """Whether the server takes work: 503 while it starts or drains."""
    readiness = await services_of(request).lifecycle.readiness()
    view = {"status": readiness.state, "reasons": readiness.reasons}
    if not readiness.ready:
        return _not_ready(request, readiness.state, readiness.reasons, view)
    return json_response(view)


@router.get("/api/health/ws", dependencies=[require(PUBLIC)], response_model=WebSocketHealth)
async def websocket_health(request: Request) -> Response:
    """How many WebSocket clients there are, over all replicas."""
    try:
        totals = await services_of(request).connections.totals()
    except AragoraError as error:
        return json_response({"status": "unavailable", "clients": 0, "message": error.message})
    return json_response({"status": "healthy", "clients": totals.connections})


def _not_ready(request: Request, state: str, reasons: tuple[str, ...], view: Mapping[str, object]) -> Response:
    message = "; ".join(reasons) or f"The server is {state}. Try again shortly."
    return failure(request.scope, 503, "unavailable", message, retry_after_s=_RETRY_S, extra=dict(view))
