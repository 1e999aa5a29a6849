"""Receipts of decisions: reading them in three forms, and checking any of them."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Body, Request
from starlette.responses import Response

from aragora import encoding
from aragora.identity.rbac import DEBATES_READ, PUBLIC
from aragora.receipts.formats import to_html, to_markdown
from aragora.server.chapters.debates import DebateId
from aragora.server.policy import caller_of, require, services_of
from aragora.server.schemas import Verification, failures
from aragora.server.views import json_response

router = APIRouter(tags=["receipts"])

_PAPER_CSP: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; sandbox"


@router.get(
    "/api/debates/{debate_id}/receipt",
    dependencies=[require(DEBATES_READ)],
    responses=failures(401, 403, 404, 422, 503),
)
async def receipt(
    request: Request,
    debate_id: DebateId,
    format: Literal["json", "markdown", "html"] = "json",  # noqa: A002  # the contract's name of the parameter
) -> Response:
    """The signed receipt. As JSON it is, to the byte, what was signed and chained."""
    reader = services_of(request).reader
    await reader.get(debate_id, caller_of(request).org_scope)
    document = (await reader.receipt(debate_id)).document
    if format == "json":
        return Response(document, media_type="application/json")
    plain = encoding.decode(document)
    if format == "markdown":
        return Response(to_markdown(plain), media_type="text/markdown; charset=utf-8")
    return Response(to_html(plain), media_type="text/html", headers={"Content-Security-Policy": _PAPER_CSP})


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
