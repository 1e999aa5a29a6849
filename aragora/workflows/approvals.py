"""Approval requests: what waits for a person's yes or no. The rules, pure, and the port of the stores.

pending -> approved | rejected | expired, once: of two people who answer at the same time, one decides and the
other is told Conflict. Time comes in as an argument; `aragora.workflows.approval_stores` keeps the requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol

from aragora.errors import Conflict, NotFound


class ApprovalStatus(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """One request. Times are seconds since the epoch; `payload` is what the asker needs back, as JSON values."""

    request_id: str
    org_id: str
    kind: str  # e.g. workflow_step
    subject: str
    requested_by: str
    created_at: float
    payload: Mapping[str, Any] = field(default_factory=dict)
    status: ApprovalStatus = ApprovalStatus.PENDING
    expires_at: float | None = None
    resolved_at: float | None = None
    resolved_by: str | None = None
    comment: str = ""

    def seen_at(self, now: float) -> ApprovalRequest:
        """The request as it stands at `now`: pending ones expire by themselves."""
        if self.status is ApprovalStatus.PENDING and self.expires_at is not None and self.expires_at <= now:
            return replace(self, status=ApprovalStatus.EXPIRED, resolved_at=self.expires_at)
        return self


@dataclass(frozen=True, slots=True)
class Resolution:
    """A person's answer."""

    approved: bool
    by: str
    at: float
    comment: str = ""


def resolved(request: ApprovalRequest, resolution: Resolution) -> ApprovalRequest:
    """The request with its answer. Raises Conflict where it has one, or where its time is over."""
    current = request.seen_at(resolution.at)
    if current.status is not ApprovalStatus.PENDING:
        raise Conflict(f"This request is already {current.status}.", code=f"already_{current.status}")
    status = ApprovalStatus.APPROVED if resolution.approved else ApprovalStatus.REJECTED
    return replace(
        request, status=status, resolved_at=resolution.at, resolved_by=resolution.by, comment=resolution.comment
    )


class ApprovalRequestStore(Protocol):
    """Requests by organisation. Every method raises Unavailable where the backend is away."""

    async def create(self, request: ApprovalRequest) -> None:
        """Raises Conflict where the id is taken."""
        ...

    async def get(self, org_id: str, request_id: str, now: float) -> ApprovalRequest:
        """Raises NotFound, also where the request is another organisation's."""
        ...

    async def page(
        self, org_id: str, now: float, *, status: ApprovalStatus | None = None, limit: int = 100
    ) -> list[ApprovalRequest]:
        """Newest first."""
        ...

    async def resolve(self, org_id: str, request_id: str, resolution: Resolution) -> ApprovalRequest:
        """The request with its answer. Raises NotFound; Conflict where another answer came first."""
        ...


def found_in(request: ApprovalRequest | None, org_id: str) -> ApprovalRequest:
    """The request, if the organisation has it. Raises NotFound."""
    if request is None or request.org_id != org_id:
        raise NotFound("There is no such approval request.")
    return request
