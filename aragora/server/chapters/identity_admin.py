"""What administrators see and do: the audit log, acting as a user, recent errors, rate limits."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from aragora.encoding import to_plain
from aragora.identity.audit import AuditEntry
from aragora.identity.rate_limits import ALL_LIMITS
from aragora.identity.rbac import ADMIN
from aragora.server.chapters.auth import UNCACHED, tokens_response
from aragora.server.identity_bundle import identity_of
from aragora.server.identity_schemas import AuditPage, ErrorList, Impersonate, RateLimitList, Tokens
from aragora.server.policy import caller_of, require, services_of
from aragora.server.schemas import failures
from aragora.server.views import json_response

router = APIRouter(tags=["administration"])

_Limit = Annotated[int, Query(ge=1, le=500)]
_UserId = Annotated[str, Path(pattern="^[A-Za-z0-9._:@-]{1,128}$")]
_Before = Annotated[int | None, Query(ge=1, le=2**53)]
_Action = Annotated[str | None, Query(pattern="^[a-z_.]{1,64}$")]


@router.get(
    "/api/admin/audit",
    dependencies=[require(ADMIN)],
    response_model=AuditPage,
    responses=failures(401, 403, 422, 429, 503),
)
async def audit(request: Request, limit: _Limit = 100, before: _Before = None, action: _Action = None) -> Response:
    """The audit log, newest first; pass `next_before` as `before` to read on."""
    entries = await identity_of(request).parts.audit.page(limit=limit, before=before, action=action)
    view = {
        "entries": [_shown(entry) for entry in entries],
        "next_before": entries[-1].seq if len(entries) == limit else None,
    }
    return json_response(view, headers=UNCACHED)


@router.post(
    "/api/admin/users/{user_id}/impersonate",
    dependencies=[require(ADMIN)],
    response_model=Tokens,
    responses=failures(401, 403, 404, 413, 422, 429, 503),
)
async def impersonate(request: Request, user_id: _UserId, body: Impersonate) -> Response:
    """Act as a user for a short time. Written to the audit log with the reason, and counted."""
    identity = identity_of(request)
    pair = await identity.accounts.impersonate(
        caller_of(request), user_id, body.reason, identity.visit(request), lifetime_s=body.minutes * 60.0
    )
    return tokens_response(pair)


@router.get(
    "/api/system/errors",
    dependencies=[require(ADMIN)],
    response_model=ErrorList,
    responses=failures(401, 403, 422, 429, 503),
)
async def errors(request: Request, limit: _Limit = 20) -> Response:
    """The last failures of this replica, newest first."""
    view = {
        "errors": identity_of(request).errors.latest(limit),
        "replica_id": services_of(request).config.replica_id,
    }
    return json_response(view)


@router.get(
    "/api/system/rate-limits",
    dependencies=[require(ADMIN)],
    response_model=RateLimitList,
    responses=failures(401, 403, 429, 503),
)
async def rate_limits(request: Request) -> Response:
    """The limits, how often this replica refused by each, and whether replicas count together."""
    limits = identity_of(request).parts.limits
    rows = [
        {"name": limit.name, "limit": limit.rule, "refused": limits.refused.get(limit.name, 0)} for limit in ALL_LIMITS
    ]
    return json_response({"rate_limits": rows, "shared": limits.shared, "degraded": limits.degraded})


def _shown(entry: AuditEntry) -> dict[str, object]:
    event: dict[str, object] = to_plain(entry.event)
    return {"seq": entry.seq, "at": entry.at_us / 1_000_000, **event, "hash": entry.hash}
