"""Prometheus metrics of the whole cluster, at the runbook's path and at Prometheus's own."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from aragora.identity.rbac import PUBLIC
from aragora.server.policy import require, services_of

router = APIRouter(tags=["metrics"])

_CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


@router.get("/metrics", dependencies=[require(PUBLIC)], response_class=PlainTextResponse)
@router.get("/api/metrics", dependencies=[require(PUBLIC)], response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """The text format 0.0.4, the same from every replica."""
    return Response(await services_of(request).metrics.exposition(), media_type=_CONTENT_TYPE)
