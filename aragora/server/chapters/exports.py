"""The whole history of debates as a file, in four formats, streamed in bounded memory."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from aragora.identity.rbac import DEBATES_READ
from aragora.server.exporting import FORMATS, chunks
from aragora.server.policy import caller_of, require, services_of
from aragora.server.schemas import failures

router = APIRouter(tags=["debates"])


@router.get(
    "/api/debates/export",
    dependencies=[require(DEBATES_READ)],
    response_class=StreamingResponse,
    responses=failures(401, 403, 422, 503),
)
async def export(
    request: Request,
    format: Literal["json", "jsonl", "csv", "markdown"] = "json",  # noqa: A002  # the runbook's name of the parameter
) -> Response:
    """Every debate, oldest first."""
    chosen = FORMATS[format]
    records = services_of(request).reader.export(caller_of(request).org_scope)
    return StreamingResponse(
        chunks(records, chosen),
        media_type=chosen.media_type,
        headers={"Content-Disposition": f'attachment; filename="debates.{chosen.suffix}"'},
    )
