"""What administrators see and do: the audit log, acting as a user, recent errors, rate limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from aragora.encoding import to_plain
from aragora.identity.accounts import Accounts
from aragora.identity.audit import AuditEntry
from aragora.identity.rate_limits import ALL_LIMITS, RateLimits
from aragora.identity.rbac import ADMIN
from aragora.identity.store.audit_log import AuditLog
from aragora.server.chapter import Call, Chapter
from aragora.server.replica_figures import ReplicaFigures
from aragora.server.schemas import Line, Secretive, Tokens, tokens_response
from aragora.server.views import UNCACHED, json_response


@dataclass(frozen=True, slots=True)
class AdministrationPorts:
    """What these routes call."""

    audit: AuditLog
    accounts: Accounts
    limits: RateLimits
    figures: ReplicaFigures


administration: Chapter[AdministrationPorts] = Chapter("administration")

_Limit = Annotated[int, Query(ge=1, le=500)]
_UserId = Annotated[str, Path(pattern="^[A-Za-z0-9._:@-]{1,128}$")]
_Before = Annotated[int | None, Query(ge=1, le=2**53)]
_Action = Annotated[str | None, Query(pattern="^[a-z_.]{1,64}$")]


class Impersonate(Secretive):
    """Why, for the audit log, and for how long."""

    reason: Annotated[Line, Field(min_length=3, max_length=500)]
    minutes: Annotated[int, Field(ge=1, le=60)] = 15


class AuditPage(BaseModel):
    entries: list[dict[str, object]]
    next_before: int | None


_Scope = Annotated[
    Literal["cluster", "replica"],
    Field(description="`replica` while the shared state is away: what follows is then of the one that answered"),
]


class ErrorList(BaseModel):
    errors: list[dict[str, object]]
    replica_id: Annotated[str, Field(description="of the replica that answered")]
    scope: _Scope


class RateLimitList(BaseModel):
    rate_limits: list[dict[str, object]]
    shared: bool
    degraded: str
    scope: _Scope


@administration.get("/api/admin/audit", needs=ADMIN, gives=AuditPage)
async def audit(
    call: Call[AdministrationPorts], limit: _Limit = 100, before: _Before = None, action: _Action = None
) -> Response:
    """The audit log, newest first; pass `next_before` as `before` to read on."""
    entries = await call.ports.audit.page(limit=limit, before=before, action=action)
    view = {
        "entries": [_shown(entry) for entry in entries],
        "next_before": entries[-1].seq if len(entries) == limit else None,
    }
    return json_response(view, headers=UNCACHED)


@administration.post("/api/admin/users/{user_id}/impersonate", needs=ADMIN, gives=Tokens)
async def impersonate(call: Call[AdministrationPorts], user_id: _UserId, body: Impersonate) -> Response:
    """Act as a user for a short time. Written to the audit log with the reason, and counted."""
    pair = await call.ports.accounts.impersonate(
        call.who, user_id, body.reason, call.visit, lifetime_s=body.minutes * 60.0
    )
    return tokens_response(pair)


@administration.get("/api/system/errors", needs=ADMIN, gives=ErrorList)
async def errors(call: Call[AdministrationPorts], limit: _Limit = 20) -> Response:
    """The last failures of all replicas, newest first. Those of other replicas come within two seconds."""
    failures = await call.ports.figures.failures(limit)
    return json_response(
        {"errors": failures.notes, "replica_id": call.config.replica_id, "scope": _scope(whole=failures.whole)}
    )


@administration.get("/api/system/rate-limits", needs=ADMIN, gives=RateLimitList)
async def rate_limits(call: Call[AdministrationPorts]) -> Response:
    """The limits, how often they refused on all replicas, and whether replicas count together."""
    refusals = await call.ports.figures.refusals()
    rows = [
        {"name": limit.name, "limit": limit.rule, "refused": refusals.refused.get(limit.name, 0)}
        for limit in ALL_LIMITS
    ]
    return json_response(
        {
            "rate_limits": rows,
            "shared": call.ports.limits.shared and not refusals.degraded,
            "degraded": refusals.degraded,
            "scope": _scope(whole=refusals.whole),
        }
    )


def _scope(*, whole: bool) -> str:
    return "cluster" if whole else "replica"


def _shown(entry: AuditEntry) -> dict[str, object]:
    event: dict[str, object] = to_plain(entry.event)
    return {"seq": entry.seq, "at": entry.at_us / 1_000_000, **event, "hash": entry.hash}
