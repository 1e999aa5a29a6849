"""Who argues best: the agents' ratings."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from aragora.identity.rbac import PUBLIC
from aragora.server.policy import require, services_of
from aragora.server.schemas import Rankings, failures
from aragora.server.views import json_response

router = APIRouter(tags=["leaderboard"])


@router.get(
    "/api/leaderboard/rankings",
    dependencies=[require(PUBLIC)],
    response_model=Rankings,
    responses=failures(422, 503),
)
async def rankings(
    request: Request,
    domain: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> Response:
    """Best first; without a domain the overall rating."""
    return json_response({"agents": await services_of(request).leaderboard.rankings(domain, limit)})
