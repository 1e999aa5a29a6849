"""Receipts of decisions: reading them in three forms, and checking any of them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from starlette.responses import Response

from aragora.server.policy import PUBLIC, Caller, require, services_of
from aragora.server.routes.debates import DebateId
from aragora.server.schemas import Verification, failures
from aragora.server.views import json_response

router = APIRouter(tags=["receipts"])


@router.get(
    "/api/debates/{debate_id}/receipt",
    dependencies=[require("debates.read")],
    responses=failures(401, 403, 404, 422, 503),
)
async def receipt(
    request: Request,
    debate_id: DebateId,
    caller: Caller,
) -> Response:
    """The signed receipt. As JSON it is, to the byte, what was signed and chained."""
    reader = services_of(request).reader
    await reader.get(debate_id, caller.org_scope)
    document = (await reader.receipt(debate_id)).document
    return Response(document, media_type="application/json")


@router.post(
    "/api/receipts/verify",
    dependencies=[require(PUBLIC)],
    response_model=Verification,
    responses=failures(413, 422, 503),
)
async def verify(request: Request, document: Annotated[dict[str, Any], Body()]) -> Response:
    """Check a receipt (the JSON form): its hash, its signature, its place in the chain."""
    valid, checks = await services_of(request).receipts.verify(document)
    return json_response({"valid": valid, "checks": checks})
